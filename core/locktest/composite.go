package locktest

import (
	"context"
	"errors"
	"sync"

	"github.com/distlock/distlock-go/core"
)

var compositeRules = []rule{
	{
		name: "all-or-none-must-make-sense",
		text: "AcquireAll of no lock, of a nil one, or of the same lock twice is ErrInvalid and has no effect.",
		test: func(t *trial) { // D36
			p, name := t.open(), t.name()
			for what, locks := range map[string][]core.Lock{
				"no lock":       {},
				"a nil lock":    {p.NewLock(name), nil},
				"the same lock": {p.NewLock(name), p.NewLock(name)},
				"two sides":     {core.Reader(p.NewRWLock(name)), core.Writer(p.NewRWLock(name))},
				"two permits":   {p.NewSemaphore(name, 2), p.NewSemaphore(name, 2)},
			} {
				_, err := core.AcquireAll(t.Context(), locks...)
				t.matches("AcquireAll of "+what, err, core.ErrInvalid)
				_, err = core.TryAcquireAll(t.Context(), locks...)
				t.matches("TryAcquireAll of "+what, err, core.ErrInvalid)
			}
			t.release(t.try(p.NewLock(name)))
		},
	},
	{
		name: "all-or-none",
		text: "If one of several locks is held elsewhere none is held afterwards, and the error names that one.",
		test: func(t *trial) { // D37, D39
			p, q := t.open(), t.open()
			names := []string{t.name(), t.name(), t.name()}
			var locks []core.Lock
			for _, name := range names {
				locks = append(locks, p.NewLock(name))
			}
			for _, name := range names {
				h := t.acquire(q.NewLock(name))
				_, err := core.TryAcquireAll(t.Context(), locks...)
				t.matches("TryAcquireAll", err, core.ErrNotAcquired)
				var e *core.Error
				if !errors.As(err, &e) || e.Name != name {
					t.Errorf("TryAcquireAll: the error %q does not name %q", err, name)
				}
				_ = t.timesOut(allOf(locks))
				t.held(h)
				for _, other := range names {
					if other != name {
						t.release(t.try(q.NewLock(other)))
					}
				}
				t.release(h)
				t.release(t.soonFree(q.NewLock(name)))
			}
		},
	},
	{
		name: "all-are-held-and-released",
		text: "AcquireAll holds every one of the locks, of whatever kind, and its Release frees every one.",
		test: func(t *trial) { // D38
			p, q := t.open(), t.open()
			n1, n2 := t.name(), t.name()
			set := func(p core.Provider) []core.Lock {
				return []core.Lock{p.NewLock(n2), core.Reader(p.NewRWLock(n1)), p.NewSemaphore(n2, 1), p.NewLock(n1), core.Writer(p.NewRWLock(n2))}
			}
			h, err := core.AcquireAll(t.Context(), set(p)...)
			if err != nil {
				t.Fatalf("AcquireAll failed: %v", err)
			}
			t.held(h)
			for _, l := range []core.Lock{q.NewLock(n1), q.NewLock(n2), writer(q, n1), reader(q, n2), q.NewSemaphore(n2, 1)} {
				t.busy(l)
			}
			t.release(t.try(reader(q, n1)))
			t.release(h)
			t.release(h)
			h, err = core.TryAcquireAll(t.Context(), set(q)...)
			if err != nil {
				t.Fatalf("TryAcquireAll of what was released failed: %v", err)
			}
			t.release(h)
		},
	},
	{
		name: "callers-that-overlap-do-not-deadlock",
		text: "AcquireAll takes locks in one global order, so callers whose sets overlap never wait for each other in a circle.",
		test: func(t *trial) {
			p, q := t.open(), t.open()
			a, b, c := t.name(), t.name(), t.name()
			orders := [][]string{{a, b}, {b, a}, {b, c}, {c, b}, {c, a}, {a, b, c}, {c, b, a}, {b, c, a}}
			inside := map[string]*gate{a: new(gate), b: new(gate), c: new(gate)}
			var all sync.WaitGroup
			for i, order := range orders {
				all.Go(func() {
					for range 10 {
						var locks []core.Lock
						for _, name := range order {
							locks = append(locks, []core.Provider{p, q}[i%2].NewLock(name))
						}
						ctx, cancel := context.WithTimeout(context.Background(), 2*t.patience())
						err := core.Do(ctx, allOf(locks), func(context.Context) error {
							for _, name := range order {
								inside[name].pass(t)
							}
							return nil
						})
						cancel()
						if err != nil {
							t.Errorf("AcquireAll failed: %v", err)
						}
					}
				})
			}
			t.finished(&all)
			for _, g := range inside {
				g.check(t)
			}
		},
	},
	{
		name:  "loss-of-one-is-a-loss-of-all",
		text:  "A hold on several locks is lost as soon as one of them is; its Release frees the others.",
		needs: []need{canLose},
		test: func(t *trial) { // D41
			p, q := t.open(), t.open()
			a, b, c := t.name(), t.name(), t.name()
			for _, lost := range []string{a, b, c} {
				h, err := core.AcquireAll(t.Context(), p.NewLock(a), p.NewLock(b), p.NewLock(c))
				if err != nil {
					t.Fatalf("AcquireAll failed: %v", err)
				}
				t.loseHolds(p, core.KindLock, lost)
				t.closed(h.Done(), "Done of several locks of which one was lost is closed")
				t.lost(h)
				t.matches("Release", h.Release(t.Context()), core.ErrLost)
				for _, name := range []string{a, b, c} {
					t.release(t.soonFree(q.NewLock(name)))
				}
			}
		},
	},
}

// allOf is several locks as one, whose order is the caller's.
type allOf []core.Lock

func (l allOf) Name() string { return l[0].Name() }

func (l allOf) Acquire(ctx context.Context) (core.Handle, error) {
	return core.AcquireAll(ctx, l...)
}

func (l allOf) TryAcquire(ctx context.Context) (core.Handle, error) {
	return core.TryAcquireAll(ctx, l...)
}
