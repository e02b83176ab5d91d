package file

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A permits takes a permit of a semaphore: any one of the files 0 to limit-1,
// locked exclusively. So processes with different limits compete for the same
// files, and there are never more holders than the largest limit. It implements
// driver.Queuer.
type permits struct {
	turnstile
	limit int
	other atomic.Uint64 // the limit of others that was last told
}

// Claim implements driver.Claimer.
func (c *permits) Claim(ctx context.Context) (driver.Claim, error) {
	return c.take(ctx, newcomer, nil)
}

// Wait implements driver.Queuer.
func (c *permits) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	return c.wait(ctx, c, busy)
}

// take implements taker.
func (c *permits) take(ctx context.Context, as standing, s *sleeper) (driver.Claim, error) {
	for range attempts {
		main, err := c.p.files.get(c.main, c.name)
		if err != nil {
			return nil, err
		}
		got, err := c.attempt(ctx, main, as, s)
		if err == nil {
			return got, nil
		}
		if errors.Is(err, errReplaced) {
			main.verify() // It may be the main file, and not that of a permit.
		}
		c.p.files.put(main)
		if !errors.Is(err, errReplaced) || ctx.Err() != nil {
			return nil, err
		}
	}
	return nil, errChurn
}

// attempt tries, and if that fails and there is a sleeper, asks to be woken and
// tries again: an unlock between the two must not be missed.
func (c *permits) attempt(ctx context.Context, main *lockfile, as standing, s *sleeper) (driver.Claim, error) {
	if err := c.approach(main, as); err != nil {
		return nil, err
	}
	got, err := c.scan(ctx, main, nil)
	if s != nil && errors.Is(err, core.ErrNotAcquired) {
		main.setGated(true)
		got, err = c.scan(ctx, main, s)
	}
	return got, err
}

// scan tries all permits. That which this process had last is likely to be free.
func (c *permits) scan(ctx context.Context, main *lockfile, s *sleeper) (driver.Claim, error) {
	last := int(main.hint.Load())
	if last < c.limit {
		got, err := c.takeOne(ctx, main, last, s)
		if !errors.Is(err, core.ErrNotAcquired) {
			return got, err
		}
	}
	var busy error
	for i := range c.limit {
		if i == last {
			continue
		}
		got, err := c.takeOne(ctx, main, i, s)
		if !errors.Is(err, core.ErrNotAcquired) {
			return got, err
		}
		if busy == nil {
			busy = err
		}
		if ctx.Err() != nil {
			break // To try many takes a while.
		}
	}
	if busy == nil {
		busy = core.ErrNotAcquired
	}
	return nil, busy
}

// takeOne tries one permit.
func (c *permits) takeOne(ctx context.Context, main *lockfile, i int, s *sleeper) (driver.Claim, error) {
	lf, err := c.p.files.get(c.permit(i), "")
	if err != nil {
		return nil, err
	}
	if s != nil {
		s.follow(lf, false)
	}
	got, err := lf.take(ctx, false, main)
	if err != nil {
		c.p.files.put(lf)
		return nil, err
	}
	got.source = main
	main.hint.Store(int64(i))
	c.compareLimits(ctx, main, got.token)
	return got, nil
}

// compareLimits tells the observer, once, of another limit that is in use.
func (c *permits) compareLimits(ctx context.Context, main *lockfile, token uint64) {
	mine, theirs := uint64(c.limit), uint64(0)
	main.mu.Lock()
	_ = main.page.Do(func() {
		if theirs = main.page.Load(atLimit); theirs != mine {
			main.page.Store(atLimit, mine)
		}
	})
	main.mu.Unlock()
	if theirs == 0 || theirs == mine || c.other.Swap(theirs) == theirs {
		return
	}
	c.p.engine.Observe(ctx, core.Event{
		Type: core.EventLimitMismatch, Kind: core.KindSemaphore, Name: c.name, Token: token,
		Err: fmt.Errorf("the limit is %d here and %d elsewhere", mine, theirs),
	})
}
