//go:build unix

package redlocktest

import (
	"bytes"
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
)

// TestTokensOverChangingMajorities has one hold after the other on two of three
// servers, another two each time, by processes that know nothing of the holds
// before. The first of them stores a token far ahead of all clocks, so only the
// registers make the next ones greater: each majority has met the one before.
func TestTokensOverChangingMajorities(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	key := w.opts.Prefix + ":{a}:f"
	last := uint64(time.Now().Add(time.Hour).UnixMicro())
	for i := range 2 {
		c := w.RedisNodes[i].Client()
		check(t, c.Set(t.Context(), key, strconv.FormatUint(last, 10), time.Hour).Err())
		_ = c.Close()
	}
	for away := range 6 {
		p := w.open(t)
		w.wires[away%3].Refuse(true)
		w.wires[away%3].Cut()
		h := must[core.Handle](t)(acquireSoon(t, p.NewLock("a")))
		if h.Token() <= last {
			t.Errorf("without server %d: token %d after %d", away%3, h.Token(), last)
		}
		last = h.Token()
		check(t, h.Release(t.Context()))
		check(t, p.Close())
		w.wires[away%3].Heal()
	}
}

// TestTokensAmidNewerOnes has another reader, or permit, draw a newer token at each
// server just before any request reaches it, so no two servers ever draw the same, and
// what is written back finds a greater one. All the same a majority agrees in the end.
func TestTokensAmidNewerOnes(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"reader", "permit"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWired(t, 3)
			servers := make([]*goredis.Client, 3)
			for i, node := range w.RedisNodes {
				servers[i] = node.Client()
				t.Cleanup(func() { _ = servers[i].Close() })
			}
			p := w.open(t)
			l, register := core.Reader(p.NewRWLock("a")), w.opts.Prefix+":{a}:rw:f"
			if kind == "permit" {
				l, register = p.NewSemaphore("a", 2), w.opts.Prefix+":{a}:sem:f"
			}
			draw := `local at = redis.call('TIME')
				local fence = math.max(at[1] * 1000000 + at[2], (redis.call('HGET', KEYS[1], 'f') or 0) + 1)
				return redis.call('HSET', KEYS[1], 'f', string.format('%.0f', fence))`
			var drawn atomic.Int64
			for i, wire := range w.wires {
				wire.SetHook(func(e faultproxy.Event) faultproxy.Action {
					if e.Direction == faultproxy.Up && bytes.Contains(e.Data, []byte(register)) {
						if servers[i].Eval(context.Background(), draw, []string{register}).Err() == nil { // It is there.
							drawn.Add(1)
						}
					}
					return faultproxy.Forward
				})
			}
			var last uint64
			for range 5 {
				h := must[core.Handle](t)(l.TryAcquire(t.Context()))
				if h.Token() <= last {
					t.Errorf("token %d after %d", h.Token(), last)
				}
				last = h.Token()
				stored := 0
				for _, c := range servers {
					// 0: the request has not reached that one yet.
					if top, _ := c.HGet(t.Context(), register, "f").Uint64(); top >= last {
						stored++
					}
				}
				if stored < 2 {
					t.Errorf("token %d is stored on %d of three servers", last, stored)
				}
				if ahead := time.Until(time.UnixMicro(int64(last))); ahead > lease/4 {
					t.Errorf("token %d is ahead of the time by %v", last, ahead)
				}
				check(t, h.Release(t.Context()))
			}
			if n := drawn.Load(); n < 3*5 {
				t.Errorf("%d newer tokens were drawn, want one for each vote at least", n)
			}
		})
	}
}

// TestLateRequestsAreRefused keeps a request for a vote back for longer than its
// caller waits. A server that gets it then gives no vote.
func TestLateRequestsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	w.opts.Timeout = lease / 4
	p := w.open(t)
	check(t, must[core.Handle](t)(p.NewLock("warm").Acquire(t.Context())).Release(t.Context()))
	key := []byte(w.opts.Prefix + ":{a}")
	late, delivered := make(chan struct{}), make(chan struct{})
	kept := make(chan struct{}, 1)
	w.wires[1].SetHook(func(e faultproxy.Event) faultproxy.Action {
		if e.Direction != faultproxy.Up || !bytes.Contains(e.Data, key) {
			return faultproxy.Forward
		}
		select {
		case kept <- struct{}{}: // The first one: the token is used up then.
			<-late
			defer close(delivered)
		default:
		}
		return faultproxy.Forward
	})
	h := must[core.Handle](t)(acquireSoon(t, p.NewLock("a")))
	check(t, h.Release(t.Context()))
	time.Sleep(w.opts.Timeout + 100*time.Millisecond)
	close(late)
	<-delivered
	for end := time.Now().Add(w.opts.Timeout); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if w.holds(t, 1, "a") {
			t.Fatal("a server has voted on a request that was too late")
		}
	}
}
