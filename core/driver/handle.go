package driver

import (
	"context"
	"runtime"
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
	x.cleanup = runtime.AddCleanup(x, (*hold).abandon, h)
	return x
}

func (x *handle) Name() string          { return x.hold.side.name }
func (x *handle) Token() uint64         { return x.hold.claim.Token() }
func (x *handle) Done() <-chan struct{} { return x.hold.Done() }
func (x *handle) Err() error            { return x.hold.Err() }

func (x *handle) Release(ctx context.Context) error {
	x.cleanup.Stop()
	return x.hold.release(ctx)
}
