package locktest

import (
	"context"

	"github.com/distlock/distlock-go/core"
)

// A fill is the permits of one semaphore that are taken throughout a case, so
// that the one that is left is a mutex.
type fill struct {
	p    core.Provider
	name string
	held []core.Handle
}

// take takes as many permits as the view wants.
func (f *fill) take(t *trial) {
	t.Helper()
	for len(f.held) < t.view.taken {
		f.held = append(f.held, t.acquire(semaphoreOf5(f.p, f.name)))
	}
}

// retake takes again what was lost.
func (f *fill) retake(t *trial) {
	t.Helper()
	for _, h := range f.held {
		t.closed(h.Done(), "Done of a hold that was lost is closed")
		_ = h.Release(t.Context())
	}
	f.held = nil
	f.take(t)
}

// free gives the permits back.
func (f *fill) free(ctx context.Context) {
	for _, h := range f.held {
		_ = h.Release(ctx)
	}
	f.held = nil
}

// lose makes every hold on an object end, and sees to it that the object is a
// mutex again. p holds it.
func (t *trial) lose(p core.Provider, name string) {
	t.Helper()
	t.loseHolds(p, t.view.kind, name)
	if f := t.taken[name]; f != nil {
		f.retake(t)
	}
}

// loseHolds is Harness.Lose.
func (t *trial) loseHolds(p core.Provider, kind core.Kind, name string) {
	t.Helper()
	t.events.expectLoss()
	t.h.Lose(t.T, p, kind, name)
}

// fill takes all permits, from two providers by turns.
func (t *trial) fill(p, q core.Provider, name string, limit int) []core.Handle {
	t.Helper()
	var held []core.Handle
	for i := range limit {
		held = append(held, t.try([]core.Provider{p, q}[i%2].NewSemaphore(name, limit)))
	}
	return held
}

func (t *trial) releaseAll(held []core.Handle) {
	t.Helper()
	for _, h := range held {
		t.release(h)
	}
}
