package core

import (
	"context"
	"errors"
	"slices"
	"sync"
	"weak"
)

// A composite is the hold on several locks: held while each member is.
type composite struct {
	handles []Handle // in order of acquisition
	name    string

	done    chan struct{}
	release sync.Once
	freed   chan struct{} // closed when the release has its result
	result  error         // of the release, valid once freed is closed

	mu  sync.Mutex
	err error // why the hold ended
}

func newComposite(handles []Handle) *composite {
	c := &composite{
		handles: handles,
		name:    joinNames(handles),
		done:    make(chan struct{}),
		freed:   make(chan struct{}),
	}
	// One goroutine a member; each ends with its member, or with the composite.
	// None of them keeps the composite from being collected: if the user drops
	// it, the members' handles go with it, and each is released by its own net.
	known, over := weak.Make(c), c.done
	for i, h := range handles {
		ended := h.Done()
		go func() {
			select {
			case <-ended:
				if c := known.Value(); c != nil {
					_ = c.end(c.handles[i].Err())
				}
			case <-over:
			}
		}()
	}
	return c
}

func (c *composite) Name() string          { return c.name }
func (c *composite) Token() uint64         { return 0 }
func (c *composite) Handles() []Handle     { return slices.Clone(c.handles) }
func (c *composite) Done() <-chan struct{} { return c.done }

// Err asks each member, because a member's own clock may know of a loss before
// its Done was closed.
func (c *composite) Err() error {
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	if err != nil {
		return err
	}
	for _, h := range c.handles {
		if err := h.Err(); err != nil {
			return c.end(err)
		}
	}
	return nil
}

// end records the first reason for which the hold ended, and returns it.
func (c *composite) end(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		close(c.done)
	}
	return c.err
}

// Release releases the members in reverse order, all of them even if one fails.
// When ctx ends it returns, and the rest goes on in the background. What waits for
// that is Close of the members' providers: it ends each hold, after which Release
// of that member returns.
func (c *composite) Release(ctx context.Context) error {
	c.release.Do(func() {
		if c.Err() == nil {
			_ = c.end(ErrReleased)
		}
		go c.releaseMembers(ctx)
	})
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx) // Each member is bounded by itself.
	}
	select {
	case <-c.freed:
		return c.result
	case <-ctx.Done():
	}
	var lost error
	if err := c.Err(); errors.Is(err, ErrLost) {
		lost = err
	}
	return errors.Join(lost, &Error{Op: "release", Name: c.name, Err: ctx.Err()})
}

// releaseMembers is the release, which has its result then. ctx is that of the
// first caller: once it has ended, each member that is left has its full timeout.
func (c *composite) releaseMembers(ctx context.Context) {
	defer close(c.freed)
	var errs []error
	for _, h := range slices.Backward(c.handles) {
		errs = append(errs, h.Release(ctx))
	}
	c.result = errors.Join(errs...)
}
