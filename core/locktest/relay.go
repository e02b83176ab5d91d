package locktest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A relay is two readers that overlap without a gap: each stays until it has seen
// the other one inside. If that one is kept out, because a writer waits, the
// first leaves after a while, so that a sound lock can go on; a lock that lets it
// in has no moment in which nobody reads.
type relay struct {
	t        *trial
	over     atomic.Bool
	rounds   atomic.Int64
	inside   [2]chan struct{} // each receives when that reader has entered
	runners  sync.WaitGroup
	patience time.Duration
}

func newRelay(t *trial, a, b core.Lock) *relay {
	r := &relay{t: t, patience: 20*time.Millisecond + 4*t.h.Pause}
	for i := range r.inside {
		r.inside[i] = make(chan struct{}, 1)
	}
	for i, l := range []core.Lock{a, b} {
		r.runners.Go(func() {
			for !r.over.Load() && r.round(l, r.inside[i], r.inside[1-i]) {
			}
		})
	}
	return r
}

// round is one reader's stay. It reports whether all went well.
func (r *relay) round(l core.Lock, mine, other chan struct{}) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*r.t.patience())
	defer cancel()
	h, err := l.Acquire(ctx)
	if err == nil {
		select {
		case mine <- struct{}{}:
		default:
		}
		select {
		case <-other:
		case <-time.After(r.patience):
		}
		r.rounds.Add(1)
		err = h.Release(ctx)
	}
	if err != nil {
		r.t.Errorf("a reader failed: %v", err)
	}
	return err == nil
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
