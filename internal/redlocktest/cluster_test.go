//go:build unix

package redlocktest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

const lease = 2 * time.Second

var prefixes atomic.Int64

// A fleet is a set of servers that belongs to one test, and how to use them.
type fleet struct {
	testenv.RedisNodes
	opts redis.Options
}

func options(prefix string) *redis.Options {
	return &redis.Options{Prefix: prefix, Lease: lease, Claim: time.Second}
}

// newFleet starts n servers that have been told that they are new.
func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{RedisNodes: testenv.NewRedisNodes(t, n, testenv.RedisConfig{})}
	f.opts = *options(fmt.Sprintf("t%d", prefixes.Add(1)))
	p := f.open(t)
	if err := p.Bootstrap(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// open returns a provider that plays the part of a process.
func (f *fleet) open(t *testing.T) *redis.RedLock {
	t.Helper()
	p, err := redis.OpenRedLock(t.Context(), f.Addrs(), &f.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ok.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", within, what)
		}
	}
}

// wantUnavailable fails unless err says that the servers, and nobody else's hold,
// were in the way.
func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNotAcquired) {
		t.Fatalf("the error is %v; it must match ErrUnavailable and not ErrNotAcquired", err)
	}
}

// holds reports whether a server has the key of a lock.
func (f *fleet) holds(t *testing.T, i int, name string) bool {
	c := f.RedisNodes[i].Client()
	defer c.Close()
	return c.Exists(context.Background(), f.opts.Prefix+":{"+name+"}").Val() == 1
}

// everywhere waits until every server has given its vote: Acquire returns with a
// majority, and the others follow.
func (f *fleet) everywhere(t *testing.T, name string) {
	t.Helper()
	eventually(t, lease, "all servers have voted", func() bool {
		for i := range f.RedisNodes {
			if !f.holds(t, i, name) {
				return false
			}
		}
		return true
	})
}
