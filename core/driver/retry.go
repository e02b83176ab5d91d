package driver

import (
	"context"
	"errors"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/internal/backoff"
)

// MayPass marks the error of an attempt as one that is expected to pass, such as
// that the server is restarting: [Engine.Retry] waits it out as it does a holder.
// It must not be nil.
func MayPass(err error) error { return passing{err} }

type passing struct{ error }

func (p passing) Unwrap() error { return p.error }

// Retry is the wait loop: it calls try until that succeeds, fails for another
// reason than a holder or an error that may pass ([MayPass]), or ctx ends. Between
// two calls it sleeps until w tells of a change, and in any case no longer than
// the backstop's pause, so that a missed event costs time and never the wake-up. w
// may be nil: then it polls.
//
// It is exported for a [Queuer] that waits in stages, such as for a turnstile
// first and for what is behind it next. busy, which may be nil, is told of the
// first answer that there is something to wait for, and again whenever its kind changes
// between a holder and what may pass. If ctx ends, the last such answer is returned,
// without the mark of MayPass.
func (e *Engine) Retry(ctx context.Context, w Waker, busy func(error), try func(context.Context) (Claim, error)) (Claim, error) {
	var wake <-chan struct{}
	if w != nil {
		// Listening begins before the first attempt: what changes between a
		// failed attempt and the sleep is then told, and not missed.
		events, stop, err := w.Wake()
		if err == nil {
			wake = events
			defer stop()
		}
	}
	sleeper, sleeps := w.(Sleeper)
	pause := backoff.Backoff{Min: e.cfg.Backstop.Min, Max: e.cfg.Backstop.Max}
	timer := time.NewTimer(0)
	timer.Stop()
	defer timer.Stop()
	told, passed := false, false
	for {
		c, err := try(ctx)
		mark, passes := errors.AsType[passing](err)
		if passes {
			err = mark.error
		}
		if err == nil || !passes && !errors.Is(err, core.ErrNotAcquired) {
			return c, err
		}
		if busy != nil && (!told || passed != passes) {
			told, passed = true, passes
			busy(err)
		}
		if sleeps && wake != nil {
			if sleeper.Sleep(ctx, pause.Next()) {
				pause.Reset()
			}
			if ctx.Err() != nil {
				return nil, err
			}
			continue
		}
		timer.Reset(pause.Next())
		select {
		case <-wake:
			pause.Reset()
		case <-timer.C:
		case <-ctx.Done():
			return nil, err
		}
	}
}
