package file

import (
	"context"
	"errors"
	"fmt"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A claimer takes a lock, or one side of a reader-writer lock: one file, locked
// exclusively or shared. It implements driver.Queuer.
type claimer struct{ turnstile }

// Claim implements driver.Claimer.
func (c *claimer) Claim(ctx context.Context) (driver.Claim, error) {
	return c.take(ctx, newcomer, nil)
}

// Wait implements driver.Queuer.
func (c *claimer) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	return c.wait(ctx, c, busy)
}

// take implements taker.
func (c *claimer) take(ctx context.Context, as standing, s *sleeper) (driver.Claim, error) {
	for range attempts {
		main, err := c.p.files.get(c.main, c.name)
		if err != nil {
			return nil, err
		}
		got, err := c.attempt(ctx, main, as, s)
		if err == nil {
			return got, nil
		}
		c.p.files.put(main)
		if !errors.Is(err, errReplaced) || ctx.Err() != nil {
			return nil, err
		}
	}
	return nil, errChurn
}

// attempts bounds how often an acquire finds that its file was removed meanwhile.
const attempts = 1000

var errChurn = fmt.Errorf("%w: the lock files are removed as fast as they are made; find out by whom", core.ErrUnavailable)

// attempt tries, and if that fails and there is a sleeper, asks to be woken and
// tries again: an unlock between the two must not be missed.
func (c *claimer) attempt(ctx context.Context, main *lockfile, as standing, s *sleeper) (driver.Claim, error) {
	if err := c.approach(main, as); err != nil {
		return nil, err
	}
	got, err := main.take(ctx, c.shared, main)
	if s != nil && errors.Is(err, core.ErrNotAcquired) {
		main.setGated(true)
		s.follow(main, true)
		got, err = main.take(ctx, c.shared, main)
	}
	if err != nil {
		return nil, err // Not a nil claim in an interface.
	}
	return got, nil
}
