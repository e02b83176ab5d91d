//go:build unix

package redlocktest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/redis"
)

// A wired fleet is reached through a proxy for each server.
type wired struct {
	*fleet
	wires []*faultproxy.Proxy // in the order of the servers
}

func newWired(t *testing.T, n int) *wired {
	w := &wired{fleet: newFleet(t, n)}
	for _, addr := range w.Addrs() {
		w.wires = append(w.wires, faultproxy.New(t, addr))
	}
	return w
}

func (w *wired) open(t *testing.T) *redis.RedLock {
	t.Helper()
	var addrs []string
	for _, wire := range w.wires {
		addrs = append(addrs, wire.Addr())
	}
	p, err := redis.OpenRedLock(t.Context(), addrs, &w.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// arbiter returns the server at which everybody waits.
func (w *wired) arbiter() int {
	first := slices.MinFunc(w.wires, func(a, b *faultproxy.Proxy) int { return strings.Compare(a.Addr(), b.Addr()) })
	return slices.Index(w.wires, first)
}

// An acquire that a goroutine waits for.
type waiting struct {
	h   core.Handle
	err error
}

func wait(t *testing.T, l core.Lock) <-chan waiting {
	got := make(chan waiting, 1)
	go func() {
		h, err := l.Acquire(t.Context())
		got <- waiting{h, err}
	}()
	return got
}

func soon(t *testing.T, within time.Duration, got <-chan waiting) core.Handle {
	t.Helper()
	select {
	case w := <-got:
		return must[core.Handle](t)(w.h, w.err)
	case <-time.After(within):
		t.Fatalf("nothing was acquired within %v", within)
		return nil
	}
}

// TestArbiterBlackHoled is about the network that swallows everything between all
// processes and the server at which they wait: the hold lives on, and a release
// still reaches those who wait.
func TestArbiterBlackHoled(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	p, q := w.open(t), w.open(t)
	h := must[core.Handle](t)(p.NewLock("a").Acquire(t.Context()))
	w.everywhere(t, "a")
	queued := w.RedisNodes[w.arbiter()].Client()
	defer queued.Close()
	got := wait(t, q.NewLock("a"))
	eventually(t, 2*lease, "somebody waits", func() bool {
		return queued.Exists(t.Context(), w.opts.Prefix+":{a}:q").Val() == 1
	})
	w.wires[w.arbiter()].BlackHole()
	for end := time.Now().Add(lease + lease/2); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		check(t, h.Err())
	}
	check(t, h.Release(t.Context()))
	h = soon(t, 3*lease, got)
	w.wires[w.arbiter()].Heal()
	eventually(t, 4*lease, "the server that is back votes for the holder", func() bool {
		check(t, h.Err())
		return w.holds(t, w.arbiter(), "a")
	})
	check(t, h.Release(t.Context()))
}

// TestRefuserIsAskedAgainWhileAnotherIsSilent is about the vote that the last holder
// has not given back yet, while another server is black-holed and not yet known to
// be down: the rest of its patience, here seconds, is not waited for.
func TestRefuserIsAskedAgainWhileAnotherIsSilent(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	w.opts.Lease, w.opts.Timeout = 30*time.Second, 10*time.Second
	refuser, silent := (w.arbiter()+1)%3, (w.arbiter()+2)%3
	w.wires[silent].SetRoundTrip(500 * time.Millisecond)
	l := w.open(t).NewLock("a")
	for range 3 { // The last time, the answers to the others have come.
		h := must[core.Handle](t)(l.Acquire(t.Context()))
		eventually(t, 20*time.Second, "all have voted", func() bool { return w.holds(t, silent, "a") })
		check(t, h.Release(t.Context()))
		for i := range w.wires {
			eventually(t, 20*time.Second, "the lock is free", func() bool { return !w.holds(t, i, "a") })
		}
	}
	last := w.RedisNodes[refuser].Client()
	defer last.Close()
	check(t, last.Set(t.Context(), w.opts.Prefix+":{a}", "the last holder", time.Minute).Err())

	w.wires[silent].BlackHole()
	before := w.wires[refuser].Turns()
	got := wait(t, l)
	eventually(t, time.Second, "two have answered", func() bool {
		return w.wires[refuser].Turns() > before && w.holds(t, w.arbiter(), "a")
	})
	check(t, last.Del(t.Context(), w.opts.Prefix+":{a}").Err())
	h := soon(t, time.Second, got)
	w.wires[silent].Heal()
	check(t, h.Release(t.Context()))
}

// TestSparedServerIsAskedWhileAnotherIsSilent has a server come back that was down, just
// when another one falls silent. The majority is had with the one that is back, and the
// rest of the patience with the other, here seconds, is not waited for. If a probe
// happens to reach the former in between, there is nothing to see.
func TestSparedServerIsAskedWhileAnotherIsSilent(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	w.opts.Lease, w.opts.Timeout = 30*time.Second, 10*time.Second
	down, silent := (w.arbiter()+1)%3, (w.arbiter()+2)%3
	p := w.open(t)
	warm := func() { check(t, must[core.Handle](t)(acquireSoon(t, p.NewLock("warm"))).Release(t.Context())) }
	warm()
	w.wires[down].Refuse(true)
	w.wires[down].Cut()
	for i := range w.wires {
		w.wires[i].SetRoundTrip(5 * time.Millisecond) // A refusal comes sooner.
	}
	for range 3 {
		warm()
	}
	w.wires[silent].BlackHole()
	w.wires[down].Heal()
	begun := time.Now()
	h := must[core.Handle](t)(p.NewLock("a").TryAcquire(t.Context()))
	if took := time.Since(begun); took > w.opts.Lease/12 {
		t.Errorf("it took %v, though two of three servers answer", took)
	}
	w.wires[silent].Heal()
	check(t, h.Release(t.Context()))
}

func TestMajorityBlackHoled(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	w.opts.Timeout = lease / 2
	p := w.open(t)
	h := must[core.Handle](t)(p.NewLock("a").Acquire(t.Context()))
	w.wires[0].BlackHole()
	w.wires[1].BlackHole()
	begun := time.Now()
	_, err := p.NewLock("b").TryAcquire(t.Context())
	wantUnavailable(t, err)
	if left := time.Until(begun.Add(lease + lease/2)); left > 0 {
		select {
		case <-h.Done():
		case <-time.After(left):
		}
	}
	if h.Err() == nil {
		t.Fatal("the hold outlives its lease")
	}
	w.wires[0].Heal()
	w.wires[1].Heal()
	for _, name := range []string{"a", "b"} {
		check(t, must[core.Handle](t)(acquireSoon(t, p.NewLock(name))).Release(t.Context()))
	}
}

// TestRepliesAreLost is about servers that vote and are not heard: what they gave
// is given back.
func TestRepliesAreLost(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	w.opts.Timeout = lease / 2
	p := w.open(t)
	check(t, must[core.Handle](t)(p.NewLock("warm").Acquire(t.Context())).Release(t.Context()))
	for _, wire := range w.wires[:2] {
		wire.Stall(faultproxy.Down)
	}
	_, err := p.NewLock("a").TryAcquire(t.Context())
	wantUnavailable(t, err)
	for _, wire := range w.wires[:2] {
		wire.Cut()
		wire.Heal()
	}
	eventually(t, lease*3/4, "what was granted in silence is given back", func() bool {
		return !w.holds(t, 0, "a") && !w.holds(t, 1, "a") && !w.holds(t, 2, "a")
	})
}

// TestLateReleaseTakesNothing delays a release at one server until somebody else
// has that server's vote.
func TestLateReleaseTakesNothing(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	p := w.open(t)
	q := w.fleet.open(t) // Past the proxies.
	h := must[core.Handle](t)(p.NewLock("a").Acquire(t.Context()))
	w.everywhere(t, "a")
	w.wires[2].Stall(faultproxy.Up)
	check(t, h.Release(t.Context()))
	key := w.opts.Prefix + ":{a}"
	late := w.RedisNodes[2].Client()
	defer late.Close()
	check(t, late.Del(t.Context(), key).Err()) // As if its lease had ended.
	next := must[core.Handle](t)(acquireSoon(t, q.NewLock("a")))
	w.everywhere(t, "a")
	w.wires[2].Heal()
	// The release has arrived when a later request on its way has been answered.
	check(t, must[core.Handle](t)(acquireSoon(t, p.NewLock("b"))).Release(t.Context()))
	eventually(t, 2*lease, "the server is in use again", func() bool {
		h, err := p.NewLock("b").TryAcquire(t.Context())
		if err != nil {
			return false
		}
		defer func() { _ = h.Release(context.Background()) }()
		for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if w.holds(t, 2, "b") {
				return true
			}
		}
		return false
	})
	if !w.holds(t, 2, "a") {
		t.Error("a release that came late took the vote for somebody else")
	}
	check(t, next.Err())
	if _, err := p.NewLock("a").TryAcquire(t.Context()); !errors.Is(err, core.ErrNotAcquired) {
		t.Errorf("TryAcquire: %v; it must match ErrNotAcquired", err)
	}
	check(t, next.Release(t.Context()))
}

// TestVotesThatAreLeftExpire has a hold renewed by two of three servers, and then
// one of the two forget it. What is left is a vote and one that was renewed
// earlier: the hold must end before that vote does.
func TestVotesThatAreLeftExpire(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	h := must[core.Handle](t)(w.open(t).NewLock("a").Acquire(t.Context()))
	w.everywhere(t, "a")
	w.wires[2].BlackHole()
	time.Sleep(lease / 2) // A renewal comes every third.
	check(t, h.Err())
	forgetful := w.RedisNodes[0].Client()
	defer forgetful.Close()
	check(t, forgetful.Set(t.Context(), w.opts.Prefix+":{a}", "somebody", time.Minute).Err())
	eventually(t, 2*lease, "the last vote expires", func() bool { return !w.holds(t, 2, "a") })
	if h.Err() == nil {
		t.Error("the hold goes on with one vote of three")
	}
}

// TestGiveBacksAndClaimsCross has two processes, each with several attempts at one
// name at a time, over networks with delays that change: votes are given back late,
// while the same process asks for them again. Nobody holds beside another, and a
// holder keeps its votes.
func TestGiveBacksAndClaimsCross(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	enough := time.Now().Add(3 * time.Second)
	var all sync.WaitGroup
	var held atomic.Int64
	var last atomic.Pointer[core.Handle]
	for range 2 {
		p := w.open(t)
		for range 3 {
			all.Go(func() {
				for ctx.Err() == nil {
					h, err := p.NewLock("a").TryAcquire(ctx)
					if err != nil {
						continue
					}
					held.Add(1)
					// The new one is asked last: that the old one said it holds is no lie then.
					if other := last.Swap(&h); other != nil && (*other).Err() == nil && h.Err() == nil {
						t.Errorf("token %d holds beside %d", h.Token(), (*other).Token())
					}
					time.Sleep(rand.N(20 * time.Millisecond))
					if err := h.Release(context.Background()); err != nil && strings.Contains(err.Error(), "servers still had it") {
						t.Errorf("a vote was taken from its holder: %v", err)
					}
				}
			})
		}
	}
	all.Go(func() {
		defer cancel()
		for ; ctx.Err() == nil && (held.Load() < 5 || time.Now().Before(enough)); time.Sleep(20 * time.Millisecond) {
			for _, wire := range w.wires {
				wire.SetDelay(faultproxy.Up, rand.N(30*time.Millisecond))
				wire.SetDelay(faultproxy.Down, rand.N(30*time.Millisecond))
			}
		}
	})
	all.Wait()
	if held.Load() == 0 {
		t.Error("nobody ever held")
	}
	t.Logf("%d holds", held.Load())
}
