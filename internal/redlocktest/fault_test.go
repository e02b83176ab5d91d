//go:build unix

package redlocktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/redis"
)

// The numbers E43 to E49 and E54 are those of the scenarios of
// madelson/DistributedLock. E54 is also the conformance suite with a server down.

// TestRenewedBeyondTheLease (E43) has somebody wait for each kind of object for two
// leases, on one server, on three, and on three of which one is down.
func TestRenewedBeyondTheLease(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ servers, down int }{{1, 0}, {3, 0}, {3, 1}} {
		t.Run(fmt.Sprintf("%d-of-%d-up", c.servers-c.down, c.servers), func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, c.servers)
			for i := range c.down {
				check(t, f.RedisNodes[i].Kill())
			}
			p, q := f.open(t), f.open(t)
			var held []core.Handle
			var waiters []<-chan waiting
			for _, by := range []core.Provider{p, q} {
				for _, l := range []core.Lock{by.NewLock("a"), core.Writer(by.NewRWLock("a")), by.NewSemaphore("a", 1)} {
					if by == q {
						waiters = append(waiters, wait(t, l))
					} else {
						held = append(held, must[core.Handle](t)(acquireSoon(t, l)))
					}
				}
			}
			for end := time.Now().Add(2 * lease); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				for i, h := range held {
					check(t, h.Err())
					select {
					case w := <-waiters[i]:
						t.Fatalf("a waiter got %v, %v while the holder holds", w.h, w.err)
					default:
					}
				}
			}
			for i, h := range held {
				check(t, h.Release(t.Context()))
				check(t, soon(t, 3*lease, waiters[i]).Release(t.Context()))
			}
		})
	}
}

func TestMajorityDown(t *testing.T) { // E44
	t.Parallel()
	f := newFleet(t, 3)
	p := f.open(t)
	check(t, f.RedisNodes[0].Kill())
	check(t, f.RedisNodes[1].Kill())
	for range 2 { // With an open breaker, too.
		_, err := p.NewLock("a").TryAcquire(t.Context())
		wantUnavailable(t, err)
		if !strings.Contains(err.Error(), f.RedisNodes[0].Addr()) {
			t.Errorf("the error does not say which server is down: %v", err)
		}
		eventually(t, lease/4, "the vote of the server that is up is given back", func() bool { return !f.holds(t, 2, "a") })
		_, err = p.NewLock("a").Acquire(t.Context())
		wantUnavailable(t, err)
		eventually(t, lease/4, "the vote of the server that is up is given back", func() bool { return !f.holds(t, 2, "a") })
	}
}

func TestHalfOfTwoDown(t *testing.T) { // E45
	t.Parallel()
	f := newFleet(t, 2)
	check(t, f.RedisNodes[0].Kill())
	_, err := f.open(t).NewLock("a").TryAcquire(t.Context())
	wantUnavailable(t, err)
}

func TestMajorityFrozen(t *testing.T) { // E46, E49
	t.Parallel()
	f := newFleet(t, 3)
	f.opts.Timeout = lease / 2
	p := f.open(t)
	check(t, f.RedisNodes[0].Pause())
	check(t, f.RedisNodes[1].Pause())
	begun := time.Now()
	_, err := p.NewLock("a").TryAcquire(t.Context())
	wantUnavailable(t, err)
	// The last round begins before the timeout has passed.
	if took := time.Since(begun); took > f.opts.Timeout+lease {
		t.Errorf("it took %v to give up", took)
	}
	eventually(t, lease/4, "the vote of the server that is up is given back", func() bool { return !f.holds(t, 2, "a") })
	check(t, f.RedisNodes[0].Continue())
	check(t, f.RedisNodes[1].Continue())
	h := must[core.Handle](t)(acquireSoon(t, f.open(t).NewLock("a")))
	check(t, h.Release(t.Context()))
}

// acquireSoon tries for as long as servers are coming back.
func acquireSoon(t *testing.T, l core.Lock) (h core.Handle, err error) {
	for end := time.Now().Add(3 * lease); time.Now().Before(end); {
		if h, err = l.Acquire(t.Context()); !errors.Is(err, core.ErrUnavailable) {
			return h, err
		}
		time.Sleep(20 * time.Millisecond)
	}
	return h, err
}

func TestReleaseWithMajorityDown(t *testing.T) { // E47
	t.Parallel()
	f := newFleet(t, 3)
	p := f.open(t)
	h := must[core.Handle](t)(p.NewLock("a").Acquire(t.Context()))
	f.everywhere(t, "a")
	check(t, f.RedisNodes[1].Kill())
	check(t, f.RedisNodes[2].Kill())
	begun := time.Now()
	err := h.Release(t.Context())
	if !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("Release: %v; it must match ErrUnavailable", err)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("Release took %v", took)
	}
}

func TestSlowerThanTheLease(t *testing.T) { // E48
	t.Parallel()
	f := newFleet(t, 3)
	f.opts.Timeout = lease
	var addrs []string
	var proxies []*faultproxy.Proxy
	for _, addr := range f.Addrs() {
		proxy := faultproxy.New(t, addr)
		proxies = append(proxies, proxy)
		addrs = append(addrs, proxy.Addr())
	}
	p := must[*redis.RedLock](t)(redis.OpenRedLock(t.Context(), addrs, &f.opts))
	defer p.Close()
	check(t, must[core.Handle](t)(p.NewLock("warm").Acquire(t.Context())).Release(t.Context()))
	for _, proxy := range proxies {
		proxy.SetRoundTrip(lease * 6 / 10)
	}
	_, err := p.NewLock("a").TryAcquire(t.Context())
	wantUnavailable(t, err)
	for _, proxy := range proxies {
		proxy.Heal()
	}
	eventually(t, lease, "what came late is given back", func() bool {
		return !f.holds(t, 0, "a") && !f.holds(t, 1, "a") && !f.holds(t, 2, "a")
	})
}

func TestPartialGrantIsGivenBack(t *testing.T) { // E49
	t.Parallel()
	f := newFleet(t, 3)
	p, q := f.open(t), f.open(t)
	held := f.RedisNodes[1].Client()
	defer held.Close()
	held2 := f.RedisNodes[2].Client()
	defer held2.Close()
	key := f.opts.Prefix + ":{a}"
	check(t, held.Set(t.Context(), key, "somebody", time.Minute).Err())
	check(t, held2.Set(t.Context(), key, "somebody", time.Minute).Err())
	_, err := p.NewLock("a").TryAcquire(t.Context())
	if !errors.Is(err, core.ErrNotAcquired) {
		t.Fatalf("TryAcquire: %v; it must match ErrNotAcquired", err)
	}
	eventually(t, lease/4, "the vote of the first server is given back", func() bool { return !f.holds(t, 0, "a") })
	check(t, held.Del(t.Context(), key).Err())
	check(t, held2.Del(t.Context(), key).Err())
	h := must[core.Handle](t)(q.NewLock("a").TryAcquire(t.Context()))
	check(t, h.Release(t.Context()))
}

func TestMinorityDies(t *testing.T) { // E54
	t.Parallel()
	f := newFleet(t, 5)
	p, q := f.open(t), f.open(t)
	h := must[core.Handle](t)(p.NewLock("a").Acquire(t.Context()))
	f.everywhere(t, "a")
	check(t, f.RedisNodes[0].Kill())
	check(t, f.RedisNodes[3].Pause())
	defer func() { _ = f.RedisNodes[3].Continue() }()
	for end := time.Now().Add(2 * lease); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err := h.Err(); err != nil {
			t.Fatalf("lost with three of five servers up: %v", err)
		}
	}
	_, err := q.NewLock("a").TryAcquire(t.Context())
	if !errors.Is(err, core.ErrNotAcquired) {
		t.Fatalf("TryAcquire: %v; it must match ErrNotAcquired", err)
	}
	check(t, h.Release(t.Context()))
	check(t, must[core.Handle](t)(q.NewLock("a").TryAcquire(t.Context())).Release(t.Context()))
}

func TestMajorityDiesWhileHeld(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	h := must[core.Handle](t)(f.open(t).NewLock("a").Acquire(t.Context()))
	check(t, f.RedisNodes[0].Kill())
	check(t, f.RedisNodes[1].Kill())
	select {
	case <-h.Done():
	case <-time.After(lease + lease/2):
		t.Fatal("the hold outlives its lease")
	}
}

// TestRestartEmpty is about a minority that forgets: it gives no vote to anybody
// else for a lease, and then fills up again.
func TestRestartEmpty(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	p, q := f.open(t), f.open(t)
	h := must[core.Handle](t)(p.NewLock("a").Acquire(t.Context()))
	f.everywhere(t, "a")
	restartEmpty(t, f, 0)
	check(t, f.RedisNodes[1].Kill()) // Now the one that forgot would make the difference.
	for end := time.Now().Add(lease / 2); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if other, err := q.NewLock("a").TryAcquire(t.Context()); err == nil {
			t.Fatalf("a second holder, with token %d after %d, while the first says %v", other.Token(), h.Token(), h.Err())
		}
	}
	check(t, f.RedisNodes[1].Start(t.Context()))
}

func restartEmpty(t *testing.T, f *fleet, i int) {
	t.Helper()
	check(t, f.RedisNodes[i].Kill())
	check(t, f.RedisNodes[i].Start(t.Context()))
}

func TestVotesAreRefilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	var renewals atomic.Int64
	f.opts.Observer = core.ObserverFunc(func(_ context.Context, e core.Event) {
		if e.Type == core.EventRenewed {
			renewals.Add(1)
		}
	})
	h := must[core.Handle](t)(f.open(t).NewLock("a").Acquire(t.Context()))
	for i := range 3 {
		restartEmpty(t, f, i)
		eventually(t, 15*lease, "the server that forgot votes for the holder again", func() bool { return f.holds(t, i, "a") })
		before := renewals.Load()
		eventually(t, 3*lease, "its vote counts, since there was a renewal after it", func() bool { return renewals.Load() >= before+2 })
		check(t, h.Err())
	}
	check(t, h.Release(t.Context()))
}

// TestTheLastToAnswerIsRenewed has one server answer after the other two, always. A
// renewal has its majority without it; all the same the hold can stand on its vote
// when that of a faster one is deleted, and it votes again if it has forgotten.
func TestTheLastToAnswerIsRenewed(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	w.opts.Lease = 2 * lease // For busy machines: the hold must not end at all.
	var renewals atomic.Int64
	w.opts.Observer = core.ObserverFunc(func(_ context.Context, e core.Event) {
		if e.Type == core.EventRenewed {
			renewals.Add(1)
		}
	})
	fast, slow := w.arbiter(), (w.arbiter()+1)%3
	w.wires[slow].SetRoundTrip(150 * time.Millisecond)
	h := must[core.Handle](t)(w.open(t).NewLock("a").Acquire(t.Context()))
	w.everywhere(t, "a")
	eventually(t, 8*lease, "the lease of the acquire is over", func() bool {
		check(t, h.Err())
		return renewals.Load() > 3 // There are three in a lease.
	})
	c := w.RedisNodes[fast].Client()
	defer c.Close()
	check(t, c.Del(t.Context(), w.opts.Prefix+":{a}").Err())
	eventually(t, 8*lease, "the server that has lost its vote gives another", func() bool {
		check(t, h.Err())
		return w.holds(t, fast, "a")
	})
	before := renewals.Load()
	eventually(t, 8*lease, "that one counts, since there was a renewal after it", func() bool { return renewals.Load() >= before+2 })
	restartEmpty(t, w.fleet, slow)
	eventually(t, 15*lease, "the slow server that forgot votes for the holder again", func() bool {
		check(t, h.Err())
		return w.holds(t, slow, "a")
	})
	check(t, h.Release(t.Context()))
}

// A hold whose votes were all deleted ends, although the servers tell one after the
// other, and each that has told gives a new vote at once.
func TestDeletedVotesAreNotMadeUpForOneByOne(t *testing.T) {
	t.Parallel()
	w := newWired(t, 5)
	w.opts.Lease = 5 * lease
	h := must[core.Handle](t)(w.open(t).NewLock("a").Acquire(t.Context()))
	w.everywhere(t, "a")
	for i := 2; i < 5; i++ {
		w.wires[i].Stall(faultproxy.Down)
	}
	for i := range w.wires {
		c := w.RedisNodes[i].Client()
		check(t, c.Del(t.Context(), w.opts.Prefix+":{a}").Err())
		check(t, c.Close())
	}
	again := func(i int) func() bool {
		return func() bool { return h.Err() != nil || w.holds(t, i, "a") }
	}
	for i := range w.wires {
		w.wires[i].Resume(faultproxy.Down)
		eventually(t, 5*lease, "the server votes again, or the hold has ended", again(i))
	}
	eventually(t, 5*lease, "the hold has ended", func() bool { return errors.Is(h.Err(), core.ErrLost) })
}

// TestNewServersWait is about the first use: nobody can tell new servers from
// those that have lost everything.
func TestNewServersWait(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	f.opts.Prefix += "new"
	p := f.open(t)
	_, err := p.NewLock("a").TryAcquire(t.Context())
	wantUnavailable(t, err)
	if !strings.Contains(err.Error(), "Bootstrap") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 4*lease)
	defer cancel()
	h := must[core.Handle](t)(p.NewLock("a").Acquire(ctx))
	if took := time.Since(begun); took < lease/2 {
		t.Errorf("the quarantine took %v", took)
	}
	check(t, h.Release(t.Context()))
}

func TestSameServerTwice(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2)
	addr := f.Addrs()[0]
	_, err := redis.OpenRedLock(t.Context(), []string{addr, addr, f.Addrs()[1]}, &f.opts)
	if !errors.Is(err, core.ErrInvalid) {
		t.Errorf("the same address twice: %v; it must match ErrInvalid", err)
	}
	alias := faultproxy.New(t, addr).Addr()
	p := must[*redis.RedLock](t)(redis.OpenRedLock(t.Context(), []string{addr, alias}, &f.opts))
	defer p.Close()
	if h, err := p.NewLock("a").TryAcquire(t.Context()); err == nil {
		t.Fatalf("two addresses of one server made a majority, with token %d", h.Token())
	}
	err = p.Bootstrap(t.Context())
	wantUnavailable(t, err)
	if !strings.Contains(err.Error(), "same server") {
		t.Errorf("two addresses of one server: %v", err)
	}
}
