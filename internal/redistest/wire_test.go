//go:build unix

package redistest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

func TestOneRoundTripEach(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	p := open(t, through(t, server.URL(), proxy), nil)
	objects := map[string]core.Lock{
		"lock": p.NewLock("a"), "reader": core.Reader(p.NewRWLock("a")),
		"writer": core.Writer(p.NewRWLock("b")), "permit": p.NewSemaphore("a", 3),
	}
	for _, l := range objects { // The scripts are learnt, and who we are is told.
		release(t, acquire(t, l))
	}
	for name, l := range objects {
		before := proxy.Turns()
		h, err := l.Acquire(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if n := proxy.Turns() - before; n != 1 {
			t.Errorf("%s: Acquire took %d round trips, not 1", name, n)
		}
		before = proxy.Turns()
		if err := h.Release(context.Background()); err != nil {
			t.Fatal(err)
		}
		if n := proxy.Turns() - before; n != 1 {
			t.Errorf("%s: Release took %d round trips, not 1", name, n)
		}
	}
}

// A reply that is lost leaves the caller with an error, and nothing held.
func TestLostReplies(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	for _, action := range []faultproxy.Action{faultproxy.ForwardThenCut, faultproxy.Cut, faultproxy.Mute} {
		t.Run(fmt.Sprint("acquire ", action), func(t *testing.T) {
			proxy := faultproxy.New(t, server.Addr())
			p := open(t, through(t, server.URL(), proxy), quick())
			release(t, acquire(t, p.NewLock("warm")))
			name := fmt.Sprint("lost", action)
			proxy.SetHook(faultproxy.OnRequest(name, action))
			h, err := p.NewLock(name).TryAcquire(patient(t))
			if err == nil {
				t.Fatalf("an acquire without an answer succeeded: %v", h)
			}
			var trouble *redis.TroubleError
			if !errors.Is(err, core.ErrUnavailable) || !errors.As(err, &trouble) || trouble.Trouble != redis.Unreachable {
				t.Errorf("the error is %v; it must say that the server was not reached", err)
			}
			if errors.Is(err, core.ErrNotAcquired) {
				t.Errorf("the error %v tells of a holder", err)
			}
			proxy.SetHook(nil)
			eventually(t, "the lock is free, before its lease has ended", 1500*time.Millisecond, func() bool { return holder(t, c, name) == "" })
		})
		t.Run(fmt.Sprint("release ", action), func(t *testing.T) {
			proxy := faultproxy.New(t, server.Addr())
			p := open(t, through(t, server.URL(), proxy), quick())
			name := fmt.Sprint("freed", action)
			h := acquire(t, p.NewLock(name))
			proxy.SetHook(faultproxy.OnRequest(name, action))
			if err := h.Release(patient(t)); err == nil || errors.Is(err, core.ErrLost) {
				t.Errorf("a release without an answer returned %v", err)
			}
			proxy.SetHook(nil)
			eventually(t, "the lock is free", 1500*time.Millisecond, func() bool { return holder(t, c, name) == "" })
		})
	}
}

// The driver of a client that the user brings resends what failed, by default.
// Ours must not be resent: exactly one request is seen.
func TestDriverDoesNotResend(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	client := goredis.NewClient(&goredis.Options{Addr: proxy.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	p, err := redis.New(client, quick())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	release(t, acquire(t, p.NewLock("once")))
	c := admin(t, server)
	before := calls(t, c, "evalsha")
	proxy.SetHook(faultproxy.OnRequest("once", faultproxy.ForwardThenCut))
	if _, err := p.NewLock("once").TryAcquire(patient(t)); err == nil {
		t.Fatal("an acquire without an answer succeeded")
	}
	if n := calls(t, c, "evalsha") - before; n > 2 { // the attempt and its cancellation
		t.Errorf("the server has seen %d scripts for one attempt and its cancellation", n)
	}
	eventually(t, "the lock is free", time.Second, func() bool { return holder(t, c, "once") == "" })
	release(t, acquire(t, p.NewLock("once")))
}

// A wait ends when its context does, whatever the connection is doing.
func TestCancelWhileInFlight(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	c := admin(t, server)
	p := open(t, through(t, server.URL(), proxy), quick())
	for _, l := range []core.Lock{p.NewLock("flight"), core.Writer(p.NewRWLock("flight"))} {
		release(t, acquire(t, l)) // There is a connection, and the scripts are known.
		proxy.Stall(faultproxy.Down)
		ctx, cancel := context.WithCancel(context.Background())
		w := waiting(ctx, l)
		eventually(t, "the request has arrived", 5*time.Second, func() bool {
			return c.Exists(ctx, "distlock:{flight}", "distlock:{flight}:rw").Val() == 1
		})
		start := time.Now()
		cancel()
		o := <-w
		if d := time.Since(start); d > 50*time.Millisecond {
			t.Errorf("Acquire returned %v after it was cancelled", d)
		}
		if !errors.Is(o.err, context.Canceled) {
			t.Errorf("Acquire returned %v", o.err)
		}
		proxy.Resume(faultproxy.Down)
		eventually(t, "what the cancelled attempt took is free", 1500*time.Millisecond, func() bool {
			return c.Exists(context.Background(), "distlock:{flight}", "distlock:{flight}:rw").Val() == 0
		})
	}
}

// A request that is carried out after its caller has given up, and after the
// cancellation even, takes nothing: the server refuses it because of its age.
func TestLateExecutionTakesNothing(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	c := admin(t, server)
	o := quick()
	o.Timeout = 300 * time.Millisecond
	o.Lease = 20 * time.Second // What was taken late would stay for long.
	p := open(t, through(t, server.URL(), proxy), o)
	release(t, acquire(t, p.NewLock("late")))
	fence := c.Get(context.Background(), "distlock:{late}:f").Val()
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := p.NewLock("late").TryAcquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("TryAcquire returned %v", err)
	}
	time.Sleep(time.Second) // The age of the request is what is tested.
	if err := server.Continue(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if v := holder(t, c, "late"); v != "" {
			t.Fatalf("the lock is held by %s, for whom nobody waits", v)
		}
		if now := c.Get(context.Background(), "distlock:{late}:f").Val(); now != fence || fence == "" {
			t.Fatalf("the token was %s and is %s: the lock was held for a moment", fence, now)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// calls returns how many times the server has carried a command out.
func calls(t testing.TB, c *goredis.Client, command string) int {
	t.Helper()
	info, err := c.Info(context.Background(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	return stat(info, "cmdstat_"+command+":calls=")
}

// A caller that nobody can interrupt is held up by a silent server for as long
// as the options say, whatever the limits of the driver are.
func TestSilentServerHoldsNobodyUp(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	for name, limits := range map[string]goredis.Options{
		"driver's defaults": {}, "deadlines": {ContextTimeoutEnabled: true}, "no limits": {ReadTimeout: -1, WriteTimeout: -1},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := faultproxy.New(t, server.Addr())
			limits.Addr = proxy.Addr()
			client := goredis.NewClient(&limits)
			t.Cleanup(func() { _ = client.Close() })
			o := quick()
			o.ReleaseTimeout, o.Timeout, o.Lease = 300*time.Millisecond, 2*time.Second, 30*time.Second
			p, err := redis.New(client, o)
			if err != nil {
				t.Fatal(err)
			}
			h, err := p.NewLock(name).Acquire(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			proxy.Stall(faultproxy.Down)
			start := time.Now()
			if err := h.Release(context.Background()); !errors.Is(err, core.ErrUnavailable) {
				t.Errorf("Release returned %v", err)
			}
			if d := time.Since(start); d > 1500*time.Millisecond {
				t.Errorf("Release took %v; its limit is %v", d, o.ReleaseTimeout)
			}
			if name == "deadlines" {
				start = time.Now()
				if _, err := p.NewLock("other").TryAcquire(context.Background()); !errors.Is(err, core.ErrUnavailable) {
					t.Errorf("TryAcquire returned %v", err)
				}
				if d := time.Since(start); d > o.Timeout+1500*time.Millisecond {
					t.Errorf("TryAcquire took %v; its limit is %v", d, o.Timeout)
				}
			}
			proxy.Resume(faultproxy.Down)
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
