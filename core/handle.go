package core

import "context"

// A Handle is one hold on a lock. It ends when it is released or, if the
// backend can no longer vouch for it, when it is lost.
//
// All methods may be called by several goroutines at once.
//
// A handle that is dropped without Release is released when the garbage
// collector finds it, and the observer is told ([EventAbandoned]). That is a
// net under a bug, not a way to release; and it is not spread inside a
// testing/synctest bubble, which the collector cannot enter.
type Handle interface {
	// Name returns the name of the lock that is held.
	Name() string

	// Token returns the fencing token of this hold. Tokens grow strictly, per
	// name and primitive, over all holders in all processes. It is 0 if the
	// backend can give none.
	Token() uint64

	// Done returns a channel that is closed when the hold ends. For a hold that
	// rests on a lease that is before another party can be granted the lock.
	Done() <-chan struct{}

	// Err returns nil while the lock is held. Afterwards it says why the hold
	// ended: [ErrReleased], or an error that matches [ErrLost]. It looks at the
	// clock itself, so after a pause of the process it is right even before
	// Done has been closed.
	Err() error

	// Release ends the hold. Done is closed before the backend is asked.
	//
	// It is carried out whatever becomes of ctx. If ctx is done beforehand,
	// Release takes as long as the backend needs, within the provider's
	// release timeout, so deferring h.Release(ctx) is always right. If ctx ends
	// during the call, Release returns an error that matches ctx.Err() and the
	// release goes on in the background.
	//
	// If the hold had been lost the error matches [ErrLost]. Any other error
	// means that the backend did not confirm; the lock then becomes free in the
	// background, or when its lease or session ends. Later calls repeat the
	// result of the first and never touch a later hold.
	Release(ctx context.Context) error
}

// WithHandle returns a copy of parent that is cancelled when h ends;
// [context.Cause] then reports h.Err(). Calling cancel frees its resources and
// leaves h as it is. If h has ended already, so has the context.
func WithHandle(parent context.Context, h Handle) (ctx context.Context, cancel context.CancelFunc) {
	held, end := context.WithCancelCause(parent)
	if err := h.Err(); err != nil {
		end(err)
		return held, func() {}
	}
	go func() {
		select {
		case <-h.Done():
			end(h.Err())
		case <-held.Done():
		}
	}()
	return held, func() { end(nil) }
}
