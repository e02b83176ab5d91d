package driver

import (
	"context"
	"runtime"
	"time"
)

// A handle is what the user has of a hold. The engine knows the hold only, so
// that a handle which the user has dropped becomes garbage, and its cleanup
// releases the hold.
type handle struct {
	hold    *hold
	cleanup runtime.Cleanup
}

func newHandle(h *hold) *handle {
	x := &handle{hold: h}
	if h.side.engine.net {
		x.cleanup = runtime.AddCleanup(x, (*hold).abandon, h)
	}
	return x
}

// canCatch reports whether cleanups may act. Those of a testing/synctest bubble
// may not: the runtime calls them outside of it, where touching a channel of the
// bubble is fatal. A bubble is known by its clock, which has no monotonic
// reading.
func canCatch() bool {
	now := time.Now()
	return now != now.Round(0) //nolint:revive // Equal would compare the time, and not whether it has such a reading.
}

func (x *handle) Name() string          { return x.hold.side.name }
func (x *handle) Token() uint64         { return x.hold.claim.Token() }
func (x *handle) Done() <-chan struct{} { return x.hold.Done() }
func (x *handle) Err() error            { return x.hold.Err() }

func (x *handle) Release(ctx context.Context) error {
	if x.hold.side.engine.net {
		x.cleanup.Stop()
	}
	return x.hold.release(ctx)
}
