package locktest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A relay is two readers that overlap without a gap: each leaves only while the
// other one is inside, who must then wait for it to come back. If that one is kept
// out, because a writer waits, the reader leaves after a while, so that a sound lock
// can go on; a lock that lets it in has no moment in which nobody reads.
type relay struct {
	t        *trial
	over     atomic.Bool
	rounds   atomic.Int64
	runners  sync.WaitGroup
	patience time.Duration

	mu      sync.Mutex
	inside  [2]bool
	entered [2]chan struct{} // receives after that reader has entered
}

func newRelay(t *trial, a, b core.Lock) *relay {
	r := &relay{t: t, patience: 20*time.Millisecond + 4*t.h.Pause}
	for i := range r.entered {
		r.entered[i] = make(chan struct{}, 1)
	}
	for i, l := range []core.Lock{a, b} {
		r.runners.Go(func() {
			for !r.over.Load() && r.round(l, i) {
			}
		})
	}
	return r
}

// naps is in how many parts a reader spends its patience, so that a machine that
// stands still for a moment takes only one of them.
const naps = 10

// round is one reader's stay. It reports whether all went well.
func (r *relay) round(l core.Lock, i int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*r.t.patience())
	defer cancel()
	h, err := l.Acquire(ctx)
	if err == nil {
		r.enter(i)
		for n := 0; !r.leave(i, n == naps); {
			select {
			case <-r.entered[1-i]:
			case <-time.After(r.patience / naps):
				n++
			}
		}
		r.rounds.Add(1)
		err = h.Release(ctx)
	}
	if err != nil {
		r.t.Errorf("a reader failed: %v", err)
	}
	return err == nil
}

func (r *relay) enter(i int) {
	r.mu.Lock()
	r.inside[i] = true
	r.mu.Unlock()
	select {
	case r.entered[i] <- struct{}{}:
	default:
	}
}

// leave counts a reader out, if the other one is inside or in any case. It reports
// whether the reader is out.
func (r *relay) leave(i int, anyway bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inside[1-i] || anyway {
		r.inside[i] = false
	}
	return !r.inside[i]
}

// runFor lets the readers run for a number of rounds.
func (r *relay) runFor(rounds int64) {
	r.t.Helper()
	until := r.rounds.Load() + rounds
	r.t.eventually("readers take turns", func() bool { return r.rounds.Load() >= until })
}

func (r *relay) stop() {
	r.t.Helper()
	r.over.Store(true)
	r.t.finished(&r.runners)
}
