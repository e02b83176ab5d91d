package driver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
)

func TestAFailedClaimReachesTheUserAndLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onClaim: func(context.Context) error { return errDown }}
		e := f.engine(t, nil)
		for _, acquire := range []func(context.Context) (core.Handle, error){f.lock(e, "a").TryAcquire, f.lock(e, "a").Acquire} {
			if _, err := acquire(t.Context()); !errors.Is(err, errDown) || errors.Is(err, core.ErrClosed) {
				t.Errorf("%v, want the backend's error", err)
			}
		}
		f.onClaim = nil
		acquire(t, f.lock(e, "a"))
	})
}

func TestATryIsAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		ours, theirs := f.engine(t, nil), f.engine(t, nil)
		refused := func(what string, e *Engine) {
			t.Helper()
			start := time.Now()
			if _, err := f.lock(e, "a").TryAcquire(t.Context()); !errors.Is(err, core.ErrNotAcquired) || time.Since(start) != 0 {
				t.Errorf("%s: TryAcquire returned %v after %v, want ErrNotAcquired at once", what, err, time.Since(start))
			}
		}
		h := acquire(t, f.lock(ours, "a"))
		refused("held by this process", ours)
		refused("held by another process", theirs)
		ctx, cancel := context.WithCancel(t.Context())
		waited := make(chan error)
		go func() {
			_, err := f.lock(theirs, "a").Acquire(ctx)
			waited <- err
		}()
		synctest.Wait()
		refused("somebody of this process waits at the server", theirs)
		cancel()
		if err := <-waited; !errors.Is(err, core.ErrNotAcquired) || !errors.Is(err, context.Canceled) {
			t.Errorf("the cancelled wait: %v", err)
		}
		h.Release(t.Context())
		acquire(t, f.lock(theirs, "a"))
	})
}

func TestACancelThatComesWithTheTurnPassesItOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		e := f.engine(t, nil)
		// Now and then the waiter runs between the release and the cancel, and gets in.
		for inTime, tries := false, 0; !inTime; tries++ {
			if tries == 1000 {
				t.Fatal("no cancel came in time, or none is told")
			}
			h := acquire(t, f.lock(e, "a"))
			ctx, cancel := context.WithCancel(t.Context())
			waited := make(chan error)
			go func() {
				h, err := f.lock(e, "a").Acquire(ctx)
				if err == nil {
					err = h.Release(t.Context())
				}
				waited <- err
			}()
			synctest.Wait()
			h.Release(t.Context()) // The waiter has its turn, but has not run yet.
			cancel()
			err := <-waited
			if inTime = err != nil; inTime && (!errors.Is(err, core.ErrNotAcquired) || !errors.Is(err, context.Canceled)) {
				t.Errorf("the cancelled wait: %v", err)
			}
		}
		acquire(t, f.lock(e, "a"))
	})
}

// A telling claimer says who holds the object, and names another holder at each
// attempt.
type telling struct {
	fakeClaimer
	pid int
}

func (c *telling) Claim(ctx context.Context) (Claim, error) {
	claim, err := c.fakeClaimer.Claim(ctx)
	if err != nil {
		c.pid++
		return nil, &core.HeldError{Holder: core.Holder{Owner: core.Owner{PID: c.pid}}}
	}
	return claim, nil
}

func TestTheErrorNamesTheLastHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		var told []error
		e := f.engine(t, func(c *Config) {
			c.Observer = core.ObserverFunc(func(_ context.Context, ev core.Event) {
				if ev.Type == core.EventWaiting {
					told = append(told, ev.Err)
				}
			})
		})
		acquire(t, f.lock(f.engine(t, nil), "a"))
		c := &telling{fakeClaimer: fakeClaimer{f, "a"}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := e.NewLock("a", c).Acquire(ctx)
		var held *core.HeldError
		if !errors.As(err, &held) || held.Holder.Owner.PID != c.pid || c.pid < 4 {
			t.Errorf("%v, want the holder that was seen last, pid %d", err, c.pid)
		}
		if len(told) != 1 || !errors.As(told[0], &held) {
			t.Errorf("EventWaiting was told as %v, want once, with the holder", told)
		}
	})
}

// A queuing claimer waits by itself, as the server told it.
type queuing struct {
	fakeClaimer
	told error
}

func (c queuing) Wait(ctx context.Context, busy func(error)) (Claim, error) {
	busy(c.told)
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAWaitThatWasToldOfAHolder(t *testing.T) {
	holder := &core.HeldError{Holder: core.Holder{Owner: core.Owner{PID: 7}}}
	for _, told := range []error{nil, holder} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := f.engine(t, nil).NewLock("a", queuing{fakeClaimer{f, "a"}, told}).Acquire(ctx)
			if !errors.Is(err, core.ErrNotAcquired) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("told of %v: %v", told, err)
			}
			if told != nil && !errors.Is(err, told) {
				t.Errorf("%v does not name the holder", err)
			}
		})
	}
}

func TestEveryCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onRelease: func(context.Context) error { time.Sleep(time.Second); return nil }}
		e := f.engine(t, nil)
		acquire(t, f.lock(e, "a"))
		start := time.Now()
		go e.Close()
		synctest.Wait()
		e.Close()
		if time.Since(start) != time.Second || f.held("a") {
			t.Errorf("the second Close returned after %v, with the lock held: %v", time.Since(start), f.held("a"))
		}
	})
}

func TestCloseIsBoundedWhenTheServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onRelease: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		e := f.engine(t, nil)
		acquire(t, f.lock(e, "a"))
		start := time.Now()
		e.Close()
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("Close took %v, want the 5s of the release timeout", took)
		}
	})
}

func TestABackstopMayBeConstant(t *testing.T) {
	if _, err := New(Config{Backend: "fake", Backstop: Backstop{Min: time.Second, Max: time.Second}}); err != nil {
		t.Error(err)
	}
}
