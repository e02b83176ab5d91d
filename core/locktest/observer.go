package locktest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
)

var observerRules = []rule{
	{
		name: "events-of-a-hold",
		text: "The observer is told of each hold's beginning and end, with name, kind, token and duration.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			for _, l := range everyKind(p, name) {
				h := t.acquire(l)
				t.pause()
				t.release(h)
				begun := t.last(name, core.EventAcquired)
				over := t.last(name, core.EventReleased)
				for _, ev := range []core.Event{begun, over} {
					if ev.Backend == "" || ev.Kind == "" || ev.Token != h.Token() || ev.Err != nil {
						t.Errorf("an event of a hold with the token %d is %+v", h.Token(), ev)
					}
				}
				if over.Duration < t.h.Pause || over.Duration > time.Minute {
					t.Errorf("a hold of a little more than %v is told to have taken %v", t.h.Pause, over.Duration)
				}
			}
			kinds := make(map[core.Kind]int)
			for _, ev := range t.events.of(name, core.EventAcquired) {
				kinds[ev.Kind]++
			}
			if kinds[core.KindLock] != 1 || kinds[core.KindRWLock] != 2 || kinds[core.KindSemaphore] != 1 {
				t.Errorf("the kinds of the holds are told as %v", kinds)
			}
		},
	},
	{
		name: "events-of-a-wait",
		text: "The observer is told that an acquire waits, and if it fails why.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(p.NewLock(name))
			for _, other := range []core.Provider{p, q} {
				t.busy(other.NewLock(name))
				t.matches("Err of the event", t.last(name, core.EventNotAcquired).Err, core.ErrNotAcquired)
				w := t.start(other.NewLock(name))
				t.eventually("the observer is told of a wait", func() bool {
					select {
					case <-w.queued:
						return true
					default:
						return false
					}
				})
				w.blocked()
				w.cancel()
				w.failed()
				ev := t.last(name, core.EventNotAcquired)
				t.matches("Err of the event", ev.Err, context.Canceled)
				if ev.Duration < t.h.Pause {
					t.Errorf("a wait of more than %v is told to have taken %v", t.h.Pause, ev.Duration)
				}
			}
			t.release(h)
		},
	},
	{
		name:  "events-of-a-loss",
		text:  "The observer is told of a loss, with its cause, and then of no release.",
		needs: []need{canLose},
		test: func(t *trial) {
			p, name := t.open(), t.name()
			h := t.acquire(p.NewLock(name))
			t.lose(p, name)
			t.closed(h.Done(), "Done of a hold that was lost is closed")
			t.eventually("the observer is told of a loss", func() bool { return len(t.events.of(name, core.EventLost)) == 1 })
			t.matches("Err of the event", t.last(name, core.EventLost).Err, core.ErrLost)
			_ = h.Release(t.Context())
			if told := t.events.of(name, core.EventReleased); len(told) > 0 {
				t.Errorf("a hold that was lost is told to be released: %+v", told)
			}
		},
	},
	{
		name: "events-balance",
		text: "Under stress every hold that begins also ends, in the eyes of the observer.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			var all sync.WaitGroup
			for i := range 12 {
				l := everyKind([]core.Provider{p, q}[i%2], name)[i%4]
				all.Go(func() {
					for range 10 {
						ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
						h, err := l.Acquire(ctx)
						if err == nil {
							err = h.Release(ctx)
						}
						cancel()
						t.nothingBut(context.DeadlineExceeded, err)
					}
				})
			}
			t.finished(&all)
			t.close(p)
			t.close(q)
			begun, over := len(t.events.of(name, core.EventAcquired)), len(t.events.of(name, core.EventReleased))
			if failed := len(t.events.of(name, core.EventNotAcquired)); begun+failed != 120 {
				t.Errorf("120 acquires are told as %d that succeeded and %d that failed", begun, failed)
			}
			if begun != over {
				t.Errorf("%d holds are told to begin and %d to end", begun, over)
			}
		},
	},
	{
		name: "observer-that-panics",
		text: "An observer that panics harms no lock.",
		test: func(t *trial) {
			name := t.name()
			var told atomic.Int64
			p := t.openFor(core.ObserverFunc(func(ctx context.Context, ev core.Event) {
				t.events.Observe(ctx, ev)
				told.Add(1)
				panic("the observer's own trouble")
			}))
			q := t.open()
			for _, l := range everyKind(p, name) {
				h := t.acquire(l)
				t.release(h)
			}
			h := t.acquire(p.NewLock(name))
			t.busy(p.NewLock(name))
			w := t.wait(p.NewLock(name))
			t.release(h)
			next := w.granted()
			t.busy(q.NewLock(name))
			t.release(next)
			t.release(t.try(q.NewLock(name)))
			if told.Load() == 0 {
				t.Errorf("the observer was told nothing")
			}
		},
	},
	{
		name: "observer-that-calls-back",
		text: "An observer is called while the library holds no lock of its own: it may use the provider.",
		test: func(t *trial) {
			name, other := t.name(), t.name()
			var p core.Provider
			p = t.openFor(core.ObserverFunc(func(ctx context.Context, ev core.Event) {
				t.events.Observe(ctx, ev)
				if ev.Name != name {
					return
				}
				h, err := p.NewLock(other).Acquire(ctx)
				if err == nil {
					err = h.Release(ctx)
				}
				if err != nil && ctx.Err() == nil {
					t.Errorf("an acquire by the observer failed: %v", err)
				}
			}))
			for range 3 {
				h := t.acquire(p.NewLock(name))
				t.busy(p.NewLock(name))
				w := t.wait(p.NewLock(name))
				t.release(h)
				t.release(w.granted())
			}
		},
	},
}

// last returns the last event of a type about a name.
func (t *trial) last(name string, typ core.EventType) core.Event {
	t.Helper()
	all := t.events.of(name, typ)
	if len(all) == 0 {
		t.Fatalf("the observer was not told of an event of type %q", typ)
	}
	return all[len(all)-1]
}
