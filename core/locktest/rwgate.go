package locktest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
)

// readOrWrite acquires, sometimes with little time, and passes.
func readOrWrite(t *trial, l core.Lock, pass func(*trial)) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*t.patience())
	defer cancel()
	within := ctx
	hasty := rand.IntN(3) == 0
	if hasty {
		short, cancel := context.WithTimeout(ctx, rand.N(5*time.Millisecond))
		defer cancel()
		within = short
	}
	h, err := l.Acquire(within)
	if hasty && errors.Is(err, context.DeadlineExceeded) {
		return
	}
	if err != nil {
		t.Errorf("Acquire failed: %v", err)
		return
	}
	pass(t)
	if err := h.Release(ctx); err != nil {
		t.Errorf("Release failed: %v", err)
	}
}

// An rwGate is what a reader-writer lock guards.
type rwGate struct{ readers, writers atomic.Int64 }

func (g *rwGate) read(t *trial) {
	g.readers.Add(1)
	if n := g.writers.Load(); n != 0 {
		t.Errorf("a reader is inside with %d writers", n)
	}
	time.Sleep(rand.N(200 * time.Microsecond))
	g.readers.Add(-1)
}

func (g *rwGate) write(t *trial) {
	n := g.writers.Add(1)
	if r := g.readers.Load(); n != 1 || r != 0 {
		t.Errorf("a writer is inside with %d other writers and %d readers", n-1, r)
	}
	time.Sleep(rand.N(200 * time.Microsecond))
	g.writers.Add(-1)
}
