package driver

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A placedClaim tells which server has it.
type placedClaim struct {
	*fakeClaim
	server string
}

func (c placedClaim) Server() any { return c.server }

type placedClaimer struct {
	fakeClaimer
	server string
}

func (c placedClaimer) Claim(ctx context.Context) (Claim, error) {
	claim, err := c.fakeClaimer.Claim(ctx)
	if err != nil {
		return nil, err
	}
	return placedClaim{claim.(*fakeClaim), c.server}, nil
}

// A placedRenewer renews by the fake, except what is of a server that is silent.
type placedRenewer struct {
	*fake
	mu    sync.Mutex
	calls [][]string // the servers of each call
}

func (r *placedRenewer) Renew(ctx context.Context, claims []Claim) []error {
	var servers []string
	var inner []Claim
	for _, c := range claims {
		servers = append(servers, c.(placedClaim).server)
		inner = append(inner, c.(placedClaim).fakeClaim)
	}
	r.mu.Lock()
	r.calls = append(r.calls, servers)
	r.mu.Unlock()
	if slices.Contains(servers, "silent") {
		<-ctx.Done()
	}
	return r.fake.Renew(ctx, inner)
}

// Claims of different servers are not renewed in one call, so that a server that does
// not answer ends no hold of another one.
func TestEachServerIsAskedByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		r := &placedRenewer{fake: f}
		e := f.engine(t, func(c *Config) { c.Renewer = r })
		hold := func(name, server string) core.Handle {
			return acquire(t, e.NewLock(name, placedClaimer{fakeClaimer{f, name}, server}))
		}
		var handles []core.Handle
		for i := range 40 {
			hold("silent"+string(rune('0'+i)), "silent")
			handles = append(handles, hold("a"+string(rune('0'+i)), "a"), hold("b"+string(rune('0'+i)), "b"))
			time.Sleep(term / 100)
		}
		time.Sleep(2 * term)
		for _, h := range handles {
			if err := h.Err(); err != nil {
				t.Fatalf("a hold of a server that answers: %v", err)
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, servers := range r.calls {
			if len(slices.Compact(servers)) != 1 {
				t.Fatalf("a call was for %v", servers)
			}
		}
	})
}
