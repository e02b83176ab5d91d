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
	if err := l.provider.queue.settled(ctx, l.keys.data); err != nil {
		return nil, err
	}
	return l.poll(ctx, nil)
}

// poll is Claim. With a listener it is lazy: it may be late, to share a round trip with
// others, but not after the listener was told of a release.
func (l *locker) poll(ctx context.Context, lazy *listener) (driver.Claim, error) {
	p := l.provider.pool
	for {
		s, err := p.carrier(ctx)
		if err != nil {
			return nil, err
		}
		c := l.claim(s, lazy != nil)
		c.op.awaitedBy(ctx)
		if lazy != nil {
			lazy.tries(s)
		}
		found, changed := s.take(c)
		if lazy != nil {
			lazy.tried(s)
		}
		switch found {
		case entered:
			err := s.await(ctx, &c.op)
			switch {
			case errors.Is(err, errUnknown):
				l.provider.engine.GiveBack(c.unknown)
				return nil, err
			case err != nil && !c.op.sent && ctx.Err() == nil && !errors.Is(err, core.ErrClosed):
				continue // The session had ended before; the next one may do.
			case err != nil:
				return nil, unlessEnded(ctx, err)
			case c.op.reply != replyTaken:
				return nil, core.ErrNotAcquired
			}
			return c, nil
		case occupied:
			p.leave(s, 1)
			return nil, core.ErrNotAcquired
		}
		p.leave(s, 1)
		select {
		case <-changed:
		case <-p.closing:
			return nil, core.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// claim returns a claim that is yet to be taken, on a carrier that has a place for
// it.
func (l *locker) claim(s *session, lazy bool) *claim {
	c := &claim{session: s, shared: l.shared, flag: l.keys.flag}
	c.op.init(l.take, l.keys.data, l.keys.gate)
	c.op.owner, c.op.lazy = c, lazy
	return c
}

// unknown waits for the outcome of an attempt that nobody waits for any more, and
// gives up what it was granted. The time that a give-back has is over sooner than an
// answer must be there, and nobody else would release the grant that comes later: so
// this goes by that time only once the provider is being closed, which ends the
// session and the grant with it.
func (c *claim) unknown(ctx context.Context) error {
	o := &c.op
	if err := c.session.pool.outlast(ctx, o.done); err != nil {
		return err
	}
	if granted := o.err == nil && o.reply == replyTaken; granted {
		return c.giveUp(ctx)
	}
	return nil
}

// giveUp is Release for what nobody holds: if ctx has ended it goes on like unknown.
func (c *claim) giveUp(ctx context.Context) error {
	c.give(ctx)
	if err := c.session.pool.outlast(ctx, c.op.done); err != nil {
		return err
	}
	return c.outcome()
}

// outlast waits for done, which is closed at the latest when a session ends. While
// the provider is being closed it returns ctx.Err() if ctx ends before.
func (p *pool) outlast(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-p.closing:
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
