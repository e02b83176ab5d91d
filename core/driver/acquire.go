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
// local line and then a claim, ends in a hold or is given back. It is allocated
// together with what most attempts come to need.
type attempt struct {
	*side
	try  bool
	turn *queue.Turn // in the local line, or nil
	held error       // not nil once the object was found to be held elsewhere

	atOnce queue.Turn // turn, if there was nobody to wait for
	hold   hold       // what it becomes
}

// acquire is every acquire of every primitive.
func (s *side) acquire(ctx context.Context, try bool) (core.Handle, error) {
	var start time.Time
	if s.engine.cfg.Observer != nil {
		start = s.engine.clock.Now()
	}
	h, err := (&attempt{side: s, try: try}).run(ctx)
	if s.engine.cfg.Observer != nil {
		s.tell(ctx, h, err, s.engine.clock.Now().Sub(start))
	}
	if err != nil {
		return nil, &core.Error{Op: "acquire", Name: s.name, Err: err}
	}
	return newHandle(h), nil
}

func (a *attempt) run(ctx context.Context) (*hold, error) {
	if a.invalid != nil {
		return nil, a.invalid
	}
	if ctx.Err() != nil {
		return nil, ended(ctx)
	}
	if err := a.engine.begin(); err != nil {
		return nil, err
	}
	defer a.engine.work.Done()

	if err := a.lineUp(ctx); err != nil {
		return nil, err
	}
	if a.turn != nil {
		if h, ok := a.turn.Gift().(*hold); ok {
			h.adopt(a.turn)
			return h, nil
		}
	}
	claim, err := a.claim(ctx)
	if err != nil {
		if a.turn != nil {
			a.turn.Leave()
		}
		return nil, err
	}
	if a.turn != nil {
		a.turn.Holding()
	}
	h := &a.hold
	h.side, h.claim, h.turn = a.side, claim, a.turn
	if err := h.begin(); err != nil {
		return nil, err
	}
	return h, nil
}

// lineUp takes a turn in the local line. There is none if the server keeps the
// only one.
func (a *attempt) lineUp(ctx context.Context) error {
	e := a.engine
	if e.cfg.ServerQueue && e.cfg.LocalHandoff.Count == 0 {
		return nil
	}
	req := queue.Request{Shared: a.shared, Limit: a.limit, Try: a.try}
	if e.lines.TryEnterAs(&a.atOnce, a.key(), req) {
		a.turn = &a.atOnce
		return nil
	}
	waiting, stop := e.UntilClosed(ctx)
	defer stop()
	turn, err := e.lines.Enter(waiting, a.key(), req, func() {
		if !a.try {
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

// claim asks the backend, and waits for it unless this is a Try.
func (a *attempt) claim(ctx context.Context) (Claim, error) {
	queuer, queues := a.claimer.(Queuer)
	if a.try || !queues || a.engine.cfg.NeverBlocks {
		// An attempt that does not block costs less than to prepare for a wait.
		c, err := a.claimer.Claim(ctx)
		if err == nil || a.try || !errors.Is(err, core.ErrNotAcquired) {
			return c, a.engine.explain(ctx, err, nil)
		}
	}
	busy := func(err error) {
		if a.turn != nil {
			a.turn.Waiting()
		}
		a.busy(ctx, err)
	}
	waiting := ctx
	if !a.engine.cfg.BoundsItself {
		w, stop := a.engine.UntilClosed(ctx)
		defer stop()
		waiting = w
	}
	var c Claim
	var err error
	if queues {
		c, err = queuer.Wait(waiting, busy)
	} else {
		waker, _ := a.claimer.(Waker)
		c, err = a.engine.Retry(waiting, waker, busy, a.claimer.Claim)
	}
	return c, a.engine.explain(ctx, err, a.held)
}

// busy takes in that the object is held elsewhere and that a wait begins, which
// it tells the observer once.
func (a *attempt) busy(ctx context.Context, err error) {
	first := a.held == nil
	if a.held = err; err == nil {
		a.held = core.ErrNotAcquired
	}
	if first {
		ev := a.event(core.EventWaiting)
		ev.Err = a.held
		a.engine.Observe(ctx, ev)
	}
}

// explain turns the error on which a claim ended into that of the acquire. held
// is what the backend had said of the holder, or nil. A wait that ended while
// nobody was known to hold the object was a wait for the backend.
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
	if held == nil {
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
func (s *side) tell(ctx context.Context, h *hold, err error, took time.Duration) {
	ev := s.event(core.EventAcquired)
	ev.Duration = took
	if err != nil {
		ev.Type, ev.Err = core.EventNotAcquired, err
	} else {
		ev.Token = h.claim.Token()
	}
	s.engine.Observe(ctx, ev)
}
