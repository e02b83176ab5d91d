package core

import (
	"context"
	"errors"
)

// Do runs fn while it holds lock. It waits for the lock as [Lock.Acquire] does,
// and releases it when fn returns or panics. If it does not get the lock it
// returns the error of Acquire, and fn is not called.
//
// The context passed to fn is cancelled, with a cause that matches [ErrLost],
// if the lock is lost. Do's error joins fn's with that of the release, so
// errors.Is(err, ErrLost) tells whether fn ran unprotected, whatever fn
// returned. The context also ends with ctx: fn is then expected to return, and
// the lock is held until it does.
func Do(ctx context.Context, lock Lock, fn func(ctx context.Context) error) error {
	h, err := lock.Acquire(ctx)
	if err != nil {
		return err
	}
	return Hold(ctx, h, fn)
}

// Hold is the second half of [Do]: it runs fn under a handle that is already
// held, and releases the handle afterwards. If the hold has ended already, fn is
// called all the same, with a context that has ended.
func Hold(ctx context.Context, h Handle, fn func(ctx context.Context) error) (err error) {
	held, cancel := WithHandle(ctx, h)
	defer func() {
		cancel()
		// Also on a panic or a runtime.Goexit of fn, which go on after this. Some
		// holds know of a loss only when they are asked.
		_ = h.Err()
		err = errors.Join(err, h.Release(ctx))
	}()
	return fn(held)
}
