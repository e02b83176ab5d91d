package postgres

import (
	"context"
	"errors"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A locker claims a lock, or one side of a reader-writer lock.
type locker struct {
	provider *Provider
	kind     core.Kind
	name     string
	keys     keys
	invalid  error // what every attempt reports
	take     opcode
	shared   bool
}

// event describes what happened to the lock.
func (l *locker) event(t core.EventType, err error) core.Event {
	return core.Event{Type: t, Kind: l.kind, Name: l.name, Shared: l.shared, Err: err}
}

// Claim implements driver.Claimer: one statement that takes the lock and, only
// if it was granted, draws the token.
//
// Where it can be interrupted: before the op is sent it is taken back. While it
// is under way, its outcome arrives within the ping timeout or the session ends;
// the give-back waits for that and unlocks what was granted. Until then the key
// is reserved in the session's table, so that the next attempt of this process
// is not granted the same lock by the same session.
func (l *locker) Claim(ctx context.Context) (driver.Claim, error) {
	if l.invalid != nil {
		return nil, l.invalid
	}
	if err := l.provider.queue.settled(ctx, l.place()); err != nil {
		return nil, err
	}
	return l.poll(ctx, false)
}

// poll is Claim. A lazy one may be late, to share a round trip with others.
func (l *locker) poll(ctx context.Context, lazy bool) (driver.Claim, error) {
	for {
		c, err := l.provider.pool.carrier(ctx)
		if err != nil {
			return nil, err
		}
		found, changed := c.enter(l.keys.data, l.shared)
		switch found {
		case entered:
			claim, o := l.attempt(c)
			o.lazy = lazy
			err := c.do(ctx, o)
			switch {
			case errors.Is(err, errUnknown):
				l.provider.engine.GiveBack(func(ctx context.Context) error { return claim.undo(ctx, o) })
				return nil, err
			case err != nil && !o.sent && ctx.Err() == nil && !errors.Is(err, core.ErrClosed):
				continue // The session had ended before; the next one may do.
			case err != nil:
				return nil, unlessEnded(ctx, err)
			case o.reply != replyTaken:
				return nil, core.ErrNotAcquired
			}
			return claim, nil
		case occupied:
			l.provider.pool.leave(c)
			return nil, core.ErrNotAcquired
		}
		l.provider.pool.leave(c)
		select {
		case <-changed:
		case <-l.provider.pool.closing:
			return nil, core.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// attempt returns the op that takes the lock on a session where the key is
// reserved, and the claim that it makes.
func (l *locker) attempt(c *carrier) (*claim, *op) {
	k := l.keys
	leave := func() { l.provider.pool.leave(c) }
	claim := &claim{session: c.session, leave: leave, key: k.data, shared: l.shared, flag: k.flag}
	o := simple(l.take, k.data, k.gate)
	o.undo = func() ([]*op, bool) {
		var undo []*op
		if l.take != opLock {
			undo = append(undo, simple(opDropRead, Int64Key(k.gate), 0).must())
		}
		if !l.shared {
			return append(undo, simple(opDrop, k.data, 0).must()), true
		}
		return append(undo, simple(opDropRead, k.data, 0).must()), !c.others(k.data)
	}
	o.then = func() {
		taken := o.err == nil && o.reply == replyTaken
		claim.token = o.token
		c.settled(k.data, taken)
		if !taken {
			leave()
		}
	}
	return claim, o
}

// undo waits for the outcome of an attempt that nobody waits for any more, and
// gives up what it was granted.
func (c *claim) undo(ctx context.Context, o *op) error {
	select {
	case <-o.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if granted := o.err == nil && o.reply == replyTaken; granted {
		return c.Release(ctx)
	}
	return nil
}

// unlessEnded returns the error of an op: ctx.Err() as it is, and what the server
// or the network says with its sentinel.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	if errors.Is(err, core.ErrClosed) {
		return core.ErrClosed
	}
	return unavailable(err)
}
