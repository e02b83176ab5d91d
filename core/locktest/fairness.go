package locktest

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/distlock/distlock-go/core"
)

var fairnessRules = []rule{
	{
		name: "first-come-first-served",
		text: "The waiters of one process are served in the order in which they came.",
		test: func(t *trial) {
			p := t.open()
			t.served([]core.Provider{p, p, p, p, p, p, p, p}, nil)
		},
	},
	{
		name:  "first-come-first-served-across-providers",
		text:  "The waiters of several processes are served in the order in which they came.",
		needs: []need{isFair},
		test: func(t *trial) {
			p, q, r := t.open(), t.open(), t.open()
			t.served([]core.Provider{p, q, r, p, q, r, q, p}, nil)
		},
	},
	{
		name: "cancels-keep-the-order",
		text: "Waiters that give up do not disturb the order of the others.",
		test: func(t *trial) {
			p := t.open()
			t.served([]core.Provider{p, p, p, p, p, p}, []int{0, 2, 3})
		},
	},
	{
		name: "greed-does-not-pay",
		text: "One who acquires again right after each release does not keep a waiter of its process out.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			var rounds atomic.Int64
			var stop atomic.Bool
			var greedy sync.WaitGroup
			first := t.acquire(t.lock(p, name))
			greedy.Go(func() {
				for h := first; ; rounds.Add(1) {
					t.pause()
					if err := h.Release(t.Context()); err != nil {
						t.Errorf("Release failed: %v", err)
					}
					if stop.Load() {
						return
					}
					var err error
					if h, err = t.lock(p, name).Acquire(t.Context()); err != nil {
						t.Errorf("Acquire failed: %v", err)
						return
					}
				}
			})
			w := t.start(t.lock(p, name))
			h := w.granted()
			n := rounds.Load()
			stop.Store(true)
			t.release(h)
			t.finished(&greedy)
			if n > 2 {
				t.Errorf("the waiter was passed over %d times", n)
			}
		},
	},
}

// served has waiters come one after the other, has some of them give up, and
// checks that the others are served in order.
func (t *trial) served(providers []core.Provider, quitters []int) {
	t.Helper()
	name := t.name()
	h := t.acquire(t.lock(providers[0], name))
	waiters := make([]*waiter, len(providers))
	for i, p := range providers {
		waiters[i] = t.wait(t.lock(p, name))
	}
	for _, i := range quitters {
		waiters[i].cancel()
		waiters[i].failed()
	}
	for i, w := range waiters {
		if slices.Contains(quitters, i) {
			continue
		}
		t.release(h)
		h = w.granted()
		for j, later := range waiters[i+1:] {
			if isClosed(later.done) && !slices.Contains(quitters, i+1+j) {
				t.Fatalf("waiter %d is in before its turn", i+1+j)
			}
		}
	}
	t.release(h)
}
