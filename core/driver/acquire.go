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
	told   bool       // the observer knows that this waits
	stood  *stood     // in the local line behind one who held the object, or nil
	atOnce queue.Turn // turn, if there was nobody to wait for
}

// stood is how long an attempt was in the local line.
type stood struct{ since, until time.Time }

// known returns what the attempt knows of a holder, for when it ends without an answer
// to itself: it has waited for a holder if it did so for longer than for the backend.
func (a *attempt) known() error {
	if a.held != nil || a.stood == nil {
		return a.held
	}
	if a.side.engine.clock.Now().Sub(a.stood.until) < a.stood.until.Sub(a.stood.since) {
		return core.ErrNotAcquired
	}
	return nil
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
	turn, err := e.lines.Enter(waiting, s.key(), req, func(why error) {
		if errors.Is(why, queue.ErrBusy) {
			a.stood = &stood{since: e.clock.Now()}
		}
		if !try {
			a.waits(ctx, ahead(why))
		}
	})
	if refusal, ok := errors.AsType[*queue.RefusedError](err); ok {
		if errors.Is(err, queue.ErrBusy) {
			return ahead(refusal.Why)
		}
		var held error // Nobody is known to hold it, if those ahead have no answer.
		if refusal.Why != nil {
			held = ahead(refusal.Why)
		}
		return e.explain(ctx, refusal.Err, held)
	}
	if turn.Gift() == nil && waiting.Err() != nil {
		turn.Leave()
		return e.explain(ctx, waiting.Err(), core.ErrNotAcquired)
	}
	a.turn = turn
	if a.stood != nil {
		a.stood.until = e.clock.Now()
	}
	return nil
}

// ahead returns what those ahead in the local line mean to whoever is behind them:
// that the backend cannot be reached, if that is what they wait for, and otherwise
// that the object is held elsewhere. Who holds it may have changed since.
func ahead(why error) error {
	if errors.Is(why, core.ErrUnavailable) {
		return why
	}
	return core.ErrNotAcquired
}

// ask asks the backend for a claim, and waits for it unless this is a Try.
func (a *attempt) ask(ctx context.Context, try bool) (Claim, error) {
	e, claimer, queuer := a.side.engine, a.side.claimer, a.side.queuer
	if try || queuer == nil || e.cfg.NeverBlocks {
		// An attempt that does not block costs less than to prepare for a wait.
		first := ctx
		if !e.cfg.BoundsItself && !e.cfg.NeverBlocks {
			closable, stop := e.UntilClosed(ctx)
			defer stop()
			first = closable
		}
		c, err := claimer.Claim(first)
		if mark, passes := errors.AsType[passing](err); passes {
			err = mark.error
			if try {
				return nil, e.explain(ctx, err, nil)
			}
		} else if err == nil || try || !errors.Is(err, core.ErrNotAcquired) {
			return c, e.explain(ctx, err, a.known())
		}
	}
	busy := func(err error) {
		if err == nil {
			err = core.ErrNotAcquired
		}
		if a.turn != nil {
			a.turn.Waiting(err)
		}
		a.held = err
		a.waits(ctx, err)
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
	return c, e.explain(ctx, err, a.known())
}

// waits tells the observer, once, that a wait begins, and what for.
func (a *attempt) waits(ctx context.Context, err error) {
	if a.told {
		return
	}
	a.told = true
	ev := a.side.event(core.EventWaiting)
	ev.Err = err
	a.side.engine.Observe(ctx, ev)
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
