package driver

import (
	"context"
	"errors"
	"fmt"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/internal/lease"
)

// release ends the hold and gives the claim back. The first call does the work;
// the others get its result, or the end of their own context.
func (h *hold) release(ctx context.Context) error {
	_ = h.standing() // A deadline that has passed is a loss, whoever looks first.
	entry, first := h.end(core.ErrReleased, true)
	if !first {
		return h.released(ctx)
	}
	h.cleanup.Stop() // None is added to a hold that has ended.
	var err error
	if !h.passOn(entry) {
		err = h.giveUp(ctx, entry)
	}
	err = h.settle(err)
	if h.side.engine.cfg.Observer != nil {
		ev := h.event(core.EventReleased)
		ev.Err = err
		h.side.engine.Observe(ctx, ev)
	}
	return err
}

// giveUp releases the claim. Renewals stop first, so that none is sent for a
// hold that is over. If the backend does not confirm, the attempts go on in the
// background: a claim is never simply forgotten.
func (h *hold) giveUp(ctx context.Context, entry *lease.Entry) error {
	e := h.side.engine
	if entry != nil {
		e.leases.Remove(entry)
	}
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx) // A deferred release must be carried out.
	}
	limited, stop := e.forRelease(ctx)
	err := h.claim.Release(limited)
	stop()
	if !gone(err) {
		e.background(func() { e.giveBack(h.claim.Release, h.event(core.EventGiveBackFailed)) })
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w: no answer within %v: %w", core.ErrUnavailable, e.cfg.ReleaseTimeout, err)
		}
	}
	h.leave()
	e.unregister(h)
	return err
}

// forRelease bounds a release by ctx and the timeout.
func (e *Engine) forRelease(ctx context.Context) (context.Context, context.CancelFunc) {
	if e.cfg.NeverBlocks || e.cfg.BoundsItself {
		return ctx, func() {}
	}
	return WithTimeout(ctx, e.cfg.ReleaseTimeout)
}

// settle records the result of the release for later calls, and returns it as they
// get it.
func (h *hold) settle(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.result = &core.Error{Op: "release", Name: h.side.name, Err: err}
	}
	h.settled = true
	if h.freed != nil {
		close(h.freed)
	}
	return h.outcome()
}

// outcome returns the result of the first Release, which it has. mu is held.
func (h *hold) outcome() error {
	if h.result == nil {
		return nil
	}
	return h.result
}

// released returns what a call after the first gets.
func (h *hold) released(ctx context.Context) error {
	h.mu.Lock()
	switch {
	case !h.releasing:
		defer h.mu.Unlock()
		return &core.Error{Op: "release", Name: h.side.name, Err: errors.Unwrap(h.err)}
	case h.settled:
		defer h.mu.Unlock()
		return h.outcome()
	}
	if h.freed == nil {
		h.freed = make(chan struct{})
	}
	freed := h.freed
	h.mu.Unlock()

	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx) // The first call is bounded by itself.
	}
	select {
	case <-freed:
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.outcome()
	case <-ctx.Done():
		return &core.Error{Op: "release", Name: h.side.name, Err: ended(ctx)}
	}
}

// abandon releases a hold whose handle was garbage-collected.
func (h *hold) abandon() {
	entry, first := h.end(core.ErrReleased, true)
	if !first {
		return
	}
	e := h.side.engine
	e.background(func() {
		e.Observe(context.Background(), h.event(core.EventAbandoned))
		_ = h.settle(h.giveUp(context.Background(), entry)) // Nobody is left to be told.
	})
}
