package locktest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
)

var stressRules = []rule{
	{
		name: "hundred-goroutines",
		text: "A hundred goroutines of two processes that all want one lock get it one by one, and all of them get it.",
		test: func(t *trial) { // A7
			p, q, name := t.open(), t.open(), t.name()
			var inside gate
			var all sync.WaitGroup
			for i := range 100 {
				l := t.lock([]core.Provider{p, q}[i%2], name)
				all.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), 2*t.patience())
					defer cancel()
					h, err := l.Acquire(ctx)
					if err != nil {
						t.Errorf("Acquire failed: %v", err)
						return
					}
					inside.pass(t)
					if err := h.Release(ctx); err != nil {
						t.Errorf("Release failed: %v", err)
					}
				})
			}
			t.finished(&all)
			inside.check(t)
		},
	},
	{
		name: "every-way-at-once",
		text: "Exclusion holds whatever mixture of attempts, waits, timeouts and double releases goes on.",
		test: func(t *trial) {
			providers := []core.Provider{t.open(), t.open(), t.open()}
			name := t.name()
			var inside gate
			var all sync.WaitGroup
			for i := range 18 {
				l := t.lock(providers[i%3], name)
				all.Go(func() {
					for range 15 {
						anyWay(t, l, &inside)
					}
				})
			}
			t.finished(&all)
			inside.check(t)
			t.release(t.soonFree(t.lock(providers[0], name)))
		},
	},
	{
		name: "many-names",
		text: "One provider holds many locks at a time, each of them on its own.",
		test: func(t *trial) {
			p, q := t.open(), t.open()
			var held []core.Handle
			var names []string
			for range 40 {
				names = append(names, t.name())
				held = append(held, t.try(t.lock(p, names[len(names)-1])))
			}
			for i := range names {
				t.busy(t.lock(q, names[i]))
				t.release(held[i])
				t.release(t.try(t.lock(q, names[i])))
			}
		},
	},
}

// anyWay acquires in one of the ways there are, passes the gate if it succeeds,
// and releases.
func anyWay(t *trial, l core.Lock, inside *gate) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*t.patience())
	defer cancel()
	var h core.Handle
	var err error
	switch rand.IntN(3) {
	case 0:
		h, err = l.TryAcquire(ctx)
	case 1:
		h, err = l.Acquire(ctx)
	case 2:
		short, cancel := context.WithTimeout(ctx, rand.N(5*time.Millisecond))
		h, err = l.Acquire(short)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return
		}
	}
	if errors.Is(err, core.ErrNotAcquired) {
		return
	}
	if err != nil {
		t.Errorf("an acquire failed: %v", err)
		return
	}
	inside.pass(t)
	for range 1 + rand.IntN(2) {
		if err := h.Release(ctx); err != nil {
			t.Errorf("Release failed: %v", err)
		}
	}
}
