package locktest

import (
	"errors"
	"runtime"
	"time"

	"github.com/distlock/distlock-go/core"
)

// drop acquires a lock and forgets the handle. It must not be inlined, or the
// handle could live on in its caller's frame.
//
//go:noinline
func drop(t *trial, l core.Lock) { t.acquire(l) }

// collected acquires a lock whose handle was dropped, running the garbage
// collector.
func (t *trial) collected(l core.Lock) core.Handle {
	t.Helper()
	for deadline := time.Now().Add(t.patience() + t.h.Lease); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		runtime.GC()
		h, err := l.TryAcquire(t.Context())
		if err == nil {
			return t.fresh(h)
		}
		if !errors.Is(err, core.ErrNotAcquired) {
			t.Fatalf("TryAcquire failed: %v", err)
		}
	}
	t.Fatalf("the handle was dropped and its lock is still held")
	return nil
}
