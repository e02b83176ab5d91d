package driver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/internal/queue"
)

// An attempt is one acquire of one side. What it takes on the way, a turn in the
// local line and then a claim, ends in a hold or is given back. It is the hold that
// it may become, allocated together with what most attempts come to need.
type attempt struct {
	hold
	held   error      // not nil once the object was found to be held elsewhere
	atOnce queue.Turn // turn, if there was nobody to wait for
}

// acquire is every acquire of every primitive.
func (s *side) acquire(ctx context.Context, try bool) (core.Handle, error) {
	var start time.Time
	if s.engine.cfg.Observer != nil {
		start = s.engine.clock.Now()
	}
	x, err := (&attempt{hold: hold{side: s}}).run(ctx, try)
	if s.engine.cfg.Observer != nil {
		s.tell(ctx, x, err, s.engine.clock.Now().Sub(start))
	}
	if err != nil {
		return nil, &core.Error{Op: "acquire", Name: s.name, Err: err}
	}
	return x, nil
}

func (a *attempt) run(ctx context.Context, try bool) (*handle, error) {
	s := a.side
	if s.invalid != nil {
		return nil, s.invalid
	}
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	if err := s.engine.begin(); err != nil {
		return nil, err
	}
	defer s.engine.work.Done()

	if err := a.lineUp(ctx, try); err != nil {
		return nil, err
	}
	if a.turn != nil {
		if x, ok := a.turn.Gift().(*handle); ok {
			x.hold.adopt(a.turn)
			return x, nil
		}
	}
	c, err := a.ask(ctx, try)
	if err != nil {
		if a.turn != nil {
			a.turn.Leave()
		}
		return nil, err
	}
	if a.turn != nil {
		a.turn.Holding()
	}
	a.claim = c
	x := &handle{&a.hold}
	a.handle = x
	if err := a.begin(); err != nil {
		return nil, err
	}
	return x, nil
}

// lineUp takes a turn in the local line. There is none if the server keeps the
// only one.
func (a *attempt) lineUp(ctx context.Context, try bool) error {
	s := a.side
	e := s.engine
	if e.cfg.ServerQueue && e.cfg.LocalHandoff.Count == 0 {
		return nil
	}
	req := queue.Request{Shared: s.shared, Limit: s.limit, Try: try}
	if e.lines.TryEnterAs(&a.atOnce, s.key(), req) {
		a.turn = &a.atOnce
		return nil
	}
	waiting, stop := e.UntilClosed(ctx)
	defer stop()
	turn, err := e.lines.Enter(waiting, s.key(), req, func() {
		if !try {
			a.busy(ctx, core.ErrNotAcquired)
		}
	})
	switch {
	case errors.Is(err, queue.ErrBusy):
		return core.ErrNotAcquired
	case err != nil:
		return e.explain(ctx, err, core.ErrNotAcquired)
	case turn.Gift() == nil && waiting.Err() != nil:
		turn.Leave()
		return e.explain(ctx, waiting.Err(), core.ErrNotAcquired)
	}
	a.turn = turn
	return nil
}

// ask asks the backend for a claim, and waits for it unless this is a Try.
func (a *attempt) ask(ctx context.Context, try bool) (Claim, error) {
	e, claimer, queuer := a.side.engine, a.side.claimer, a.side.queuer
	if try || queuer == nil || e.cfg.NeverBlocks {
		// An attempt that does not block costs less than to prepare for a wait.
		c, err := claimer.Claim(ctx)
		if err == nil || try || !errors.Is(err, core.ErrNotAcquired) {
			return c, e.explain(ctx, err, nil)
		}
	}
	busy := func(err error) {
		if a.turn != nil {
			a.turn.Waiting()
		}
		a.busy(ctx, err)
	}
	waiting := ctx
	if !e.cfg.BoundsItself {
		w, stop := e.UntilClosed(ctx)
		defer stop()
		waiting = w
	}
	var c Claim
	var err error
	if queuer != nil {
		c, err = queuer.Wait(waiting, busy)
	} else {
		waker, _ := claimer.(Waker)
		c, err = e.Retry(waiting, waker, busy, claimer.Claim)
	}
	return c, e.explain(ctx, err, a.held)
}

// busy takes in that the object is held elsewhere and that a wait begins, which
// it tells the observer once.
func (a *attempt) busy(ctx context.Context, err error) {
	first := a.held == nil
	if a.held = err; err == nil {
		a.held = core.ErrNotAcquired
	}
	if first {
		ev := a.side.event(core.EventWaiting)
		ev.Err = a.held
		a.side.engine.Observe(ctx, ev)
	}
}

// explain turns the error on which a claim ended into that of the acquire. held
// is what the backend had said of the holder, or nil. A wait that ended while
// nobody was known to hold the object was a wait for the backend: a deadline that
// ended it tells that the backend was too slow, a cancellation tells nothing of it.
func (e *Engine) explain(ctx context.Context, err, held error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && e.ctx.Err() != nil:
		return core.ErrClosed
	case ctx.Err() == nil:
		return err
	case errors.Is(err, core.ErrUnavailable):
		return fmt.Errorf("%w; gave up: %w", err, ended(ctx))
	case errors.Is(err, core.ErrNotAcquired):
		held = err
	}
	switch {
	case held == nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%w: no answer in time: %w", core.ErrUnavailable, ended(ctx))
	case held == nil:
		return ended(ctx)
	}
	return fmt.Errorf("%w; gave up waiting: %w", held, ended(ctx))
}

// ended returns ctx.Err(), with the cause if that says more.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(ctx.Err(), cause) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}

// tell reports the outcome of an acquire to the observer.
func (s *side) tell(ctx context.Context, x *handle, err error, took time.Duration) {
	ev := s.event(core.EventAcquired)
	ev.Duration = took
	if err != nil {
		ev.Type, ev.Err = core.EventNotAcquired, err
	} else {
		ev.Token = x.Token()
	}
	s.engine.Observe(ctx, ev)
}
