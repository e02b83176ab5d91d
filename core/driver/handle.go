package driver

import (
	"context"
	"runtime"
)

// A handle is what the user has of a hold. Once the hold is not young any more
// the engine knows the hold only, so that a handle which the user has dropped
// becomes garbage, and its cleanup releases the hold; see net.go.
type handle struct{ hold *hold }

func (x *handle) Name() string          { return x.hold.side.name }
func (x *handle) Token() uint64         { return x.hold.claim.Token() }
func (x *handle) Done() <-chan struct{} { return x.hold.Done() }
func (x *handle) Err() error            { return x.hold.Err() }

func (x *handle) Release(ctx context.Context) error {
	err := x.hold.release(ctx)
	runtime.KeepAlive(x) // until the cleanup has been stopped
	return err
}
