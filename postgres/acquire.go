package postgres

import (
	"context"
	"errors"
	"sync"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// Wait implements driver.Queuer: it tries, then waits in the server's own queue,
// on a session that does nothing else meanwhile, so that it is woken by the
// release itself, in the order of arrival. The claim stays on that session.
func (l *locker) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	return l.provider.queue.acquire(ctx, l, busy)
}

// Wait implements driver.Queuer; see locker.Wait.
func (l *permits) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	return l.provider.queue.acquire(ctx, l, busy)
}

// A waiter is a claimer as the queue sees it.
type waiter interface {
	driver.Claimer
	place() place
	key() keys
	event(core.EventType, error) core.Event
	poll(ctx context.Context, lazy *listener) (driver.Claim, error)
}

func (l *locker) key() keys { return l.keys }

// Key implements driver.Keyed, for the schemes by which a lock and a reader-writer
// lock, or two names, have one key.
func (l *locker) Key() (string, bool) {
	return "key " + l.keys.data.String(), l.invalid == nil && l.provider.opts.Keys != Hashed
}

func (q *queue) acquire(ctx context.Context, l waiter, busy func(error)) (driver.Claim, error) {
	c, err := q.try(ctx, l)
	if err == nil || ctx.Err() != nil || !errors.Is(err, core.ErrNotAcquired) && !q.worthWaiting(err) {
		return c, err
	}
	ctx, cancel := q.engine.UntilClosed(ctx) // An acquire that has not had to wait comes without.
	defer cancel()
	if !errors.Is(err, core.ErrNotAcquired) {
		// Others are told at once that this is a wait, and need not await its outcome.
		if c, err = q.persist(ctx, l, busy, err); !errors.Is(err, errHeld) {
			return c, err
		}
		err = core.ErrNotAcquired
	}
	waiting := sync.OnceFunc(func() { busy(err) })
	for {
		c, err := q.wait(ctx, l.place(), l.key(), waiting)
		if !errors.Is(err, errFull) {
			return c, err
		}
		waiting()
		c, err = q.overflow(ctx, l)
		if !errors.Is(err, errRoom) {
			return c, err
		}
	}
}

// try makes an attempt, unless a wait of this process stands in the server's
// queue already: that one is to be joined.
func (q *queue) try(ctx context.Context, l waiter) (driver.Claim, error) {
	if q.standing(l.place()) {
		return nil, core.ErrNotAcquired
	}
	return l.Claim(ctx)
}

// errHeld ends persist: the server is there, and somebody holds the object.
var errHeld = errors.New("it is held elsewhere")

// persist makes attempts for as long as they fail for a reason that may pass:
// a server that is starting, stopping or full is waited for, and so is one that
// has gone away. One that was never there is an error at once. err is that of the
// attempt that has been made.
func (q *queue) persist(ctx context.Context, l waiter, busy func(error), err error) (driver.Claim, error) {
	made := true
	return q.engine.Retry(ctx, nil, busy, func(ctx context.Context) (c driver.Claim, _ error) {
		if !made {
			c, err = q.try(ctx, l)
		}
		made = false
		switch {
		case err == nil || ctx.Err() != nil:
			return c, err
		case errors.Is(err, core.ErrNotAcquired):
			return nil, errHeld
		case q.worthWaiting(err):
			return nil, driver.MayPass(err)
		}
		return nil, err
	})
}

// worthWaiting reports whether an attempt failed for a reason that may pass.
func (q *queue) worthWaiting(err error) bool {
	switch {
	case errors.Is(err, core.ErrNotAcquired), !errors.Is(err, core.ErrUnavailable),
		errors.Is(err, ErrTooManyHolds), errors.Is(err, ErrAuth), errors.Is(err, ErrStandby):
		return false
	}
	return waitable(err) || transient(err) && q.pool.connected.Load()
}

// standing reports whether there is a wait that can be joined.
func (q *queue) standing(pl place) bool {
	w := q.at(pl)
	if w == nil {
		return false
	}
	_, ended := w.waiting()
	return !ended
}
