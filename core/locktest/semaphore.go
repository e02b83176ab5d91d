package locktest

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
)

var semaphoreRules = []rule{
	{
		name: "limit-is-reported",
		text: "Limit returns the number with which the semaphore was made, Name its name.",
		test: func(t *trial) { // C26
			p := t.open()
			for _, limit := range []int{1, 3, math.MaxInt32} {
				name := t.name()
				s := p.NewSemaphore(name, limit)
				if s.Limit() != limit || s.Name() != name {
					t.Errorf("NewSemaphore(%q, %d) has the name %q and the limit %d", name, limit, s.Name(), s.Limit())
				}
			}
		},
	},
	{
		name: "admits-up-to-the-limit",
		text: "A semaphore admits as many as its limit, over all processes; each release makes room for one.",
		test: func(t *trial) { // C28
			p, q, name := t.open(), t.open(), t.name()
			held := t.fill(p, q, name, 4)
			for i := range held {
				t.busy(p.NewSemaphore(name, 4))
				t.busy(q.NewSemaphore(name, 4))
				t.release(held[i])
				held[i] = t.try([]core.Provider{q, p}[i%2].NewSemaphore(name, 4))
			}
			t.releaseAll(held)
		},
	},
	{
		name: "waiters-get-permits",
		text: "Each permit that is released goes to one waiter, in any process.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			held := t.fill(p, q, name, 3)
			var waiters []*waiter
			for i := range 6 {
				waiters = append(waiters, t.start([]core.Provider{p, q}[i%2].NewSemaphore(name, 3)))
			}
			for _, w := range waiters {
				w.blocked()
			}
			for in := 0; in < 6; in += 3 {
				for _, h := range held {
					t.release(h)
				}
				held = nil
				t.eventually("three waiters are in", func() bool {
					for i, w := range waiters {
						if w != nil && isClosed(w.done) {
							held = append(held, w.granted())
							waiters[i] = nil
						}
					}
					return len(held) == 3
				})
				t.pause()
				for _, w := range waiters {
					if w != nil && isClosed(w.done) {
						t.Fatalf("a fourth waiter is in")
					}
				}
			}
			t.releaseAll(held)
		},
	},
	{
		name: "waiters-are-served-in-order",
		text: "The waiters of one process get permits in the order in which they came.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			s := p.NewSemaphore(name, 2)
			held := []core.Handle{t.acquire(s), t.acquire(s)}
			var waiters []*waiter
			for range 6 {
				waiters = append(waiters, t.wait(s))
			}
			for _, w := range waiters {
				t.release(held[0])
				held = append(held[1:], w.granted())
			}
			t.releaseAll(held)
		},
	},
	{
		name: "every-permit-is-used",
		text: "Under contention there are never more holders than the limit, and now and then as many.",
		test: func(t *trial) { // C27, C30
			p, q, name := t.open(), t.open(), t.name()
			var inside gate
			var all sync.WaitGroup
			for i := range 100 {
				s := []core.Provider{p, q}[i%2].NewSemaphore(name, 10)
				all.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), 2*t.patience())
					defer cancel()
					h, err := s.Acquire(ctx)
					if err != nil {
						t.Errorf("Acquire failed: %v", err)
						return
					}
					inside.enter(t, 10)
					// Until the limit was seen, each stays for a while.
					for wait := time.Now().Add(10 * t.h.Pause); inside.most.Load() < 10 && time.Now().Before(wait); {
						time.Sleep(time.Millisecond)
					}
					inside.leave()
					if err := h.Release(ctx); err != nil {
						t.Errorf("Release failed: %v", err)
					}
				})
			}
			t.finished(&all)
			if most := inside.most.Load(); most != 10 {
				t.Errorf("at most %d of 10 permits were used at a time by 100 goroutines", most)
			}
		},
	},
	{
		name: "huge-limit",
		text: "A limit may be as large as an int; it costs nothing.",
		test: func(t *trial) { // C29
			p, q, name := t.open(), t.open(), t.name()
			var held []core.Handle
			for range 50 {
				held = append(held, t.try(p.NewSemaphore(name, math.MaxInt)), t.acquire(q.NewSemaphore(name, math.MaxInt)))
			}
			t.releaseAll(held)
		},
	},
	{
		name: "limit-must-be-positive",
		text: "A limit below 1 is reported by the first acquire, as ErrInvalid; making the semaphore does not fail.",
		test: func(t *trial) { // C32
			p := t.open()
			for _, limit := range []int{0, -1, math.MinInt} {
				s := p.NewSemaphore(t.name(), limit)
				_, err := s.Acquire(t.Context())
				t.matches("Acquire", err, core.ErrInvalid)
				_, err = s.TryAcquire(t.Context())
				t.matches("TryAcquire", err, core.ErrInvalid)
			}
		},
	},
	{
		name: "release-of-one-permit-spares-the-others",
		text: "A holder that releases, even twice, gives up one permit and no other.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			held := t.fill(p, p, name, 3)
			t.release(held[1])
			t.release(held[1])
			next := t.try(q.NewSemaphore(name, 3))
			t.busy(q.NewSemaphore(name, 3))
			t.release(held[1])
			t.busy(p.NewSemaphore(name, 3))
			held[1] = next
			for _, h := range held {
				t.held(h)
			}
			t.releaseAll(held)
		},
	},
	{
		name: "different-limits",
		text: "While processes use different limits there are never more holders than the largest, and the smaller one admits nobody beyond itself.",
		test: func(t *trial) { // C35
			p, q, name := t.open(), t.open(), t.name()
			small, large := p.NewSemaphore(name, 3), q.NewSemaphore(name, 5)
			var held []core.Handle
			for range 3 {
				held = append(held, t.try(small))
			}
			t.busy(small)
			held = append(held, t.soonFree(large), t.soonFree(large))
			t.busy(large)
			t.busy(small)
			t.releaseAll(held)

			var inside gate
			var all sync.WaitGroup
			for i := range 20 {
				s := []core.Semaphore{small, large}[i%2]
				all.Go(func() {
					for range 5 {
						ctx, cancel := context.WithTimeout(context.Background(), 2*t.patience())
						h, err := s.Acquire(ctx)
						if err != nil {
							t.Errorf("Acquire failed: %v", err)
						} else {
							inside.enter(t, 5)
							time.Sleep(rand.N(time.Millisecond))
							inside.leave()
							if err := h.Release(ctx); err != nil {
								t.Errorf("Release failed: %v", err)
							}
						}
						cancel()
					}
				})
			}
			t.finished(&all)
		},
	},
	{
		name: "cancelled-waiters-take-no-permit",
		text: "Waiters that give up, at whatever moment, cost no permit.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			var inside gate
			var all sync.WaitGroup
			for i := range 30 {
				s := []core.Provider{p, q}[i%2].NewSemaphore(name, 3)
				all.Go(func() {
					for range 10 {
						ctx, cancel := context.WithTimeout(context.Background(), rand.N(5*time.Millisecond))
						h, err := s.Acquire(ctx)
						if err == nil {
							inside.enter(t, 3)
							inside.leave()
							err = h.Release(ctx)
						}
						cancel()
						t.nothingBut(context.DeadlineExceeded, err)
					}
				})
			}
			t.finished(&all)
			var held []core.Handle
			for range 3 {
				held = append(held, t.soonFree(p.NewSemaphore(name, 3)))
			}
			t.busy(p.NewSemaphore(name, 3))
			t.releaseAll(held)
		},
	},
	{
		name:  "tokens-of-permits-grow",
		text:  "Every permit's token is greater than those of all who had one before.",
		needs: []need{hasTokens},
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			held := t.fill(p, q, name, 3)
			var last uint64
			for _, h := range held {
				last = t.greater(h, last)
			}
			t.release(held[0])
			held[0] = t.try(q.NewSemaphore(name, 3))
			last = t.greater(held[0], last)
			w := t.wait(p.NewSemaphore(name, 3))
			t.release(held[1])
			held[1] = w.granted()
			t.greater(held[1], last)
			t.releaseAll(held)
		},
	},
	{
		name:  "lost-permits-are-free",
		text:  "Permits that are lost are told to their holders and go to others.",
		needs: []need{canLose},
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			held := t.fill(p, p, name, 2)
			w := t.wait(q.NewSemaphore(name, 2))
			t.loseHolds(p, core.KindSemaphore, name)
			next := w.granted()
			for _, h := range held {
				t.closed(h.Done(), "Done of a permit that was lost is closed")
				t.lost(h)
			}
			t.release(t.soonFree(q.NewSemaphore(name, 2)))
			t.release(next)
		},
	},
}
