package core

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Elect runs fn while this process leads: while it holds lock. It campaigns by
// waiting for the lock; if leadership is lost it waits for fn to return and
// campaigns again.
//
// The context passed to fn is cancelled, with a cause that matches [ErrLost],
// when leadership is lost. fn must then return: until it does, Elect does not
// campaign, so two calls of fn never overlap in this process. What fn still
// writes after the loss must be refused by a fencing token; [Leading] gives it.
//
// Elect returns when fn returns while it leads, with fn's error, or that of the
// release; when ctx ends, with an error that matches ctx.Err(); or when campaigning
// fails for a reason that waiting cannot cure. While the backend is unavailable it
// tries again, after pauses that grow from a tenth of a second to five seconds.
func Elect(ctx context.Context, lock Lock, fn func(ctx context.Context) error) error {
	pause := firstPause
	for {
		h, err := lock.Acquire(ctx)
		switch {
		case err == nil:
			pause = firstPause
			err = Hold(context.WithValue(ctx, leadingKey{}, h), h, fn)
			if !errors.Is(h.Err(), ErrLost) {
				return err
			}
		case !errors.Is(err, ErrUnavailable):
			return err
		}
		if ended := ctx.Err(); ended != nil {
			if !errors.Is(err, ended) {
				err = errors.Join(ended, err)
			}
			return err
		}
		if err := rest(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, lastPause)
	}
}

// The pauses between campaigns.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

type leadingKey struct{}

// Leading returns the handle under which [Elect] runs the function that was
// given ctx, or nil.
func Leading(ctx context.Context) Handle {
	h, _ := ctx.Value(leadingKey{}).(Handle)
	return h
}

// rest waits for d, less up to a quarter of it so that rivals do not march in
// step, or until ctx is done.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d - rand.N(d/4))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
