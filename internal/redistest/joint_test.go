//go:build unix

package redistest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// Calls of many callers travel in few scripts, and what befalls one of them, a
// key of another type or a lock that is gone, does not befall the others.
func TestJointCallsEndEachByItself(t *testing.T) {
	server := testenv.NewRedis(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	c := admin(t, server)
	o := quick()
	o.Timeout, o.Lease = 5*time.Second, 5*time.Second // The machine may be busy.
	p := open(t, through(t, server.URL(), proxy), o)
	release(t, acquire(t, p.NewLock("warm")))
	proxy.SetRoundTrip(20 * time.Millisecond) // So that calls gather.
	const callers, rounds = 32, 10
	c.RPush(context.Background(), "distlock:{typed}", "data")
	before := calls(t, c, "evalsha") + calls(t, c, "eval")
	var wg sync.WaitGroup
	var attempts atomic.Int64
	for i := range callers {
		wg.Go(func() {
			for round := range rounds {
				name := fmt.Sprint("joint", i)
				h, err := p.NewLock(name).Acquire(context.Background())
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				attempts.Add(2)
				gone := i%8 == round%8
				if gone {
					c.Del(context.Background(), "distlock:{"+name+"}")
				}
				if err := h.Release(context.Background()); gone != errors.Is(err, core.ErrLost) || !gone && err != nil {
					t.Errorf("%s: Release: %v; the lock was deleted: %v", name, err, gone)
				}
			}
		})
	}
	wg.Go(func() {
		for range rounds {
			_, err := p.NewLock("typed").Acquire(context.Background())
			is(t, err, redis.WrongType)
			c.ScriptFlush(context.Background())
		}
	})
	wg.Wait()
	n := calls(t, c, "evalsha") + calls(t, c, "eval") - before
	if int64(n) > attempts.Load()/2 {
		t.Errorf("%d attempts took %d scripts: they did not travel together", attempts.Load(), n)
	}
	t.Logf("%d attempts took %d scripts", attempts.Load(), n)
	if c.LLen(context.Background(), "distlock:{typed}").Val() != 1 {
		t.Error("somebody else's data was touched")
	}
}

// An answer for many that is lost leaves each of them with an error, and nothing
// held.
func TestJointAnswerIsLost(t *testing.T) {
	server := testenv.NewRedis(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	c := admin(t, server)
	o := quick()
	o.Lease = 15 * time.Second
	p := open(t, through(t, server.URL(), proxy), o)
	release(t, acquire(t, p.NewLock("warm")))
	proxy.SetRoundTrip(20 * time.Millisecond)
	proxy.SetHook(faultproxy.OnRequest("unlucky", faultproxy.ForwardThenCut))
	var wg sync.WaitGroup
	var failed atomic.Int64
	for i := range 32 {
		wg.Go(func() {
			name := fmt.Sprint("unlucky", i)
			h, err := p.NewLock(name).TryAcquire(context.Background())
			switch {
			case err == nil:
				_ = h.Release(context.Background())
			case !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNotAcquired):
				t.Errorf("%s: %v", name, err)
			default:
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if failed.Load() == 0 {
		t.Error("no answer was lost")
	}
	proxy.SetHook(nil)
	eventually(t, "all are free, before their leases have ended", 5*time.Second, func() bool {
		return len(c.Keys(context.Background(), "distlock:{unlucky*}").Val()) == 0
	})
}
