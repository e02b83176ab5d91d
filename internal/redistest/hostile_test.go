//go:build unix

package redistest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// Who changes a password does not end connections that are open. When they break,
// and the new ones are refused, a holder is told by its deadline at the latest, and
// no error shows a password.
func TestPasswordIsChangedDuringAHold(t *testing.T) {
	server := start(t, testenv.RedisConfig{Password: "the-old-one"})
	c := admin(t, server)
	o := quick()
	o.ReleaseTimeout = 100 * time.Millisecond // Nothing can be given back any more.
	p := open(t, server.URL(), o)
	h := acquire(t, p.NewLock("l"))
	if err := c.ConfigSet(t.Context(), "requirepass", "the-new-one").Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(t.Context(), "client", "kill", "type", "normal", "skipme", "yes").Err(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-h.Done():
	case <-time.After(3 * o.Lease):
		t.Fatal("the holder was not told")
	}
	var all sync.WaitGroup
	for i := range 16 { // They share pipelines.
		all.Go(func() {
			if _, err := p.NewLock(fmt.Sprint("other", i)).TryAcquire(t.Context()); !errors.Is(err, core.ErrUnavailable) {
				t.Errorf("an acquire beside others: %v; it must match ErrUnavailable", err)
			}
		})
	}
	all.Wait()
	_, err := p.NewLock("other").TryAcquire(t.Context())
	for what, err := range map[string]error{"hold": h.Err(), "acquire": err} {
		if err == nil || strings.Contains(err.Error(), "the-old-one") || strings.Contains(err.Error(), "the-new-one") {
			t.Errorf("the error of the %s is %v", what, err)
		}
	}
	if !errors.Is(h.Err(), core.ErrLost) || !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("the hold ended with %v, and another acquire with %v", h.Err(), err)
	}
}

// A server that talks nonsense is a server that cannot be used: no hold comes of
// it, no panic, and no wait beyond the context.
func TestGarbageIsNoHold(t *testing.T) {
	for name, say := range map[string]func(net.Conn){
		"noise": func(c net.Conn) {
			b := make([]byte, 256)
			for i := range b {
				b[i] = byte(rand.Uint32())
			}
			_, _ = c.Write(b)
		},
		"a reply that never ends": func(c net.Conn) { _, _ = c.Write([]byte("$1000000\r\n")) },
		"drop by drop": func(c net.Conn) {
			for range 100 {
				if _, err := c.Write([]byte("*")); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		},
		"OK to everything": func(c net.Conn) { _, _ = c.Write([]byte("+OK\r\n")) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			began := time.Now()
			p, err := redis.Open(ctx, "redis://"+faultproxy.Impostor(t, say), quick())
			if err == nil {
				defer p.Close()
				var h core.Handle
				if h, err = p.NewLock("l").Acquire(ctx); err == nil {
					t.Errorf("a hold with token %d", h.Token())
				}
			}
			if !errors.Is(err, core.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error is %v", err)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v, and the context had 2s", took)
			}
		})
	}
}
