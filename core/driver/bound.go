package driver

import (
	"context"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A bound context ends with the caller's, and also at a deadline or when Close
// begins. That takes a timer or an entry in a list, and most calls end before
// anybody asks for it, so it is arranged for by the first call of Done.
type bound struct {
	context.Context // the caller's

	closing  context.Context // the engine's, or nil
	deadline time.Time       // zero: none but the caller's

	mu      sync.Mutex
	full    context.Context // what Done has arranged for, or nil
	cancel  func()
	stopped bool
}

// UntilClosed returns a copy of ctx that ends also when Close begins, for a backend
// that is given the caller's own ([Config.BoundsItself]). The function returned frees
// what that takes.
func (e *Engine) UntilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	b := &bound{Context: ctx, closing: e.ctx}
	return b, b.stop
}

// WithTimeout is context.WithTimeout for calls that seldom have to be ended: it
// sets a timer when Done is asked for, and not before.
func WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	b := &bound{Context: ctx, deadline: time.Now().Add(d)}
	if at, ok := ctx.Deadline(); ok && at.Before(b.deadline) {
		b.deadline = at
	}
	return b, b.stop
}

// Uninterrupted reports whether the caller of an acquire or a release passed a
// context that never ends, such as context.Background. ctx must be the one that
// a [Claimer], [Queuer] or [Claim] was given; it may end all the same, at the
// deadline that it tells or when Close begins. A backend whose I/O is bounded by
// time limits of its own may then do it in the goroutine of the call: nobody
// there can ask it to return earlier, and Close waits for the time limit.
func Uninterrupted(ctx context.Context) bool {
	if b, ok := ctx.(*bound); ok {
		ctx = b.Context
	}
	return ctx.Done() == nil
}

// Deadline implements context.Context.
func (b *bound) Deadline() (time.Time, bool) {
	if !b.deadline.IsZero() {
		return b.deadline, true
	}
	return b.Context.Deadline()
}

// Done implements context.Context.
func (b *bound) Done() <-chan struct{} { return b.arranged(true).Done() }

// Err implements context.Context. It does not wait for Done to be asked for.
func (b *bound) Err() error {
	if full := b.arranged(false); full != nil {
		return full.Err()
	}
	if b.over() {
		return b.arranged(true).Err()
	}
	return nil
}

func (b *bound) over() bool {
	b.mu.Lock()
	stopped := b.stopped
	b.mu.Unlock()
	return stopped || b.Context.Err() != nil || b.closing != nil && b.closing.Err() != nil ||
		!b.deadline.IsZero() && !time.Now().Before(b.deadline)
}

// Value implements context.Context. What Done has arranged for answers, so that
// package context finds its own there.
func (b *bound) Value(key any) any {
	if full := b.arranged(false); full != nil {
		return full.Value(key)
	}
	return b.Context.Value(key)
}

func (b *bound) arranged(now bool) context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full == nil && now {
		b.arrange()
		if b.stopped {
			b.cancel()
		}
	}
	return b.full
}

// arrange makes the context that ends as b must. Its caller holds b.mu.
func (b *bound) arrange() {
	if b.closing == nil {
		if at, ok := b.Context.Deadline(); ok && !b.deadline.Before(at) {
			// The caller's ends first, which tells whose deadline it was.
			b.full, b.cancel = context.WithCancel(b.Context)
		} else {
			b.full, b.cancel = context.WithDeadline(b.Context, b.deadline)
		}
		return
	}
	full, cancel := context.WithCancelCause(b.Context)
	unhook := context.AfterFunc(b.closing, func() { cancel(core.ErrClosed) })
	if b.closing.Err() != nil {
		cancel(core.ErrClosed) // AfterFunc does so later, in a goroutine.
	}
	b.full = full
	b.cancel = func() {
		unhook()
		cancel(nil)
	}
}

// stop ends the context and frees what was arranged for.
func (b *bound) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	if b.cancel != nil {
		b.cancel()
	}
}
