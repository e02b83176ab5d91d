package redis

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// Wait implements driver.Queuer. It stands in the server's queue, and is told of
// the grant by the release that makes it.
//
// Messages need a subscription, which the first wait of a provider makes. It
// takes its place in the queue before: an acquire that meets nobody never pays
// for a subscription, and one that does keeps its turn.
func (c *claimer) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	p := c.p
	w := p.lines.expect(c, c.attempt(p.receiver.live()), 0)
	if !p.bounded {
		return w.wait(ctx, busy, nil)
	}
	var met *entered
	if w.patient = p.patient(ctx); w.patient {
		ans, err := w.enter(ctx)
		if err == nil && ans.granted {
			h, err := c.hold(&w.attempt, ans)
			p.reuse(ans.call)
			p.lines.leave(w)
			return h, err
		}
		w.patient = false
		met = &entered{ans, err}
	}
	closing, stop := p.engine.UntilClosed(ctx)
	defer stop()
	return w.wait(closing, busy, met)
}

// An entered is what came of asking for the object and a place.
type entered struct {
	ans answer
	err error
}

// wait is Wait for one who has asked already, if met is not nil.
func (w *waiter) wait(ctx context.Context, busy func(error), met *entered) (driver.Claim, error) {
	c, p, push := w.c, w.c.p, w.push
	defer func() { p.lines.leave(w) }()
	pause := shortPause
	for first := true; ; first = false {
		if met == nil {
			ans, err := w.enter(ctx)
			met = &entered{ans, err}
		}
		ans, err := met.ans, met.err
		met = nil
		var g grant
		var came bool
		switch {
		case err == nil && ans.granted:
			h, err := c.hold(&w.attempt, ans)
			p.reuse(ans.call)
			return h, err
		case err == nil:
			p.receiver.start()
			if busy != nil {
				g, came = w.announce(ctx, ans, busy)
				busy = nil
			}
			pause = shortPause
		case over(ctx, err):
			return nil, err
		case first && !patient(err), !passing(err):
			return nil, err
		default:
			// The server is down for the moment. What came of this attempt may not be
			// known, and it is being taken back: another one takes its place, which its
			// ticket keeps.
			ticket := p.lines.ticket(w)
			p.lines.leave(w)
			w = p.lines.expect(c, c.attempt(push), ticket)
			p.lines.troubled(w, err)
			if sleep(ctx, pause/2+rand.N(pause)) != nil {
				return nil, w.ended(ctx)
			}
			pause = min(2*pause, time.Second)
			continue
		}
		if !came {
			select {
			case g = <-w.grants:
			case <-w.astray:
				continue
			case <-ctx.Done():
				c.abandon(w.attempt, ans.call, true)
				return nil, w.ended(ctx)
			}
		}
		if !g.stale() { // If it is, but still ours, the same attempt gets it again.
			return w.confirm(ctx, ans.call, g)
		}
	}
}

// announce tells busy who holds the object. That may have to be asked for, and of a
// server that does not answer: a grant that comes meanwhile is returned at once, for
// it is to be confirmed in time.
func (w *waiter) announce(ctx context.Context, ans answer, busy func(error)) (g grant, came bool) {
	owners := &w.c.p.owners
	inst, ours := ans.inst()
	owner, known := owners.recall(inst)
	if ours && !known {
		asking, cancel := context.WithCancel(ctx)
		defer cancel()
		found := make(chan core.Owner, 1)
		w.c.p.aside(func() { found <- owners.find(asking, inst) })
		select {
		case owner = <-found:
		case g = <-w.grants:
			came = true
		case <-w.astray:
			w.ask() // After this.
		case <-ctx.Done():
		}
	}
	busy(w.c.held(ans, owner))
	return g, came
}

const shortPause = 50 * time.Millisecond

// A waiter is one attempt that waits. It is known to the receiver before its
// request is sent, because the grant may overtake the reply.
type waiter struct {
	attempt
	c      *claimer
	grants chan grant    // of capacity 1; made when it stands in line
	astray chan struct{} // alike: the server does not know the attempt

	// Guarded by lines.mu.
	line    *line     // nil until it stands there
	early   *grant    // that has overtaken the first reply
	asked   time.Time // before the last request whose answer was no grant, or the first one
	without int64     // the server's time, ms, at which it last said so; 0: it has not
	ticket  int64     // its place, 0 for none yet
	queued  bool      // the server has said that it queues
	trouble error     // of the last poll
}

// enter asks for the object, and for a place in the queue if it is held: the old
// place, if there was one.
func (w *waiter) enter(ctx context.Context) (answer, error) {
	p := w.c.p
	ans, err := w.c.ask(ctx, &w.attempt, strconv.FormatInt(p.lines.ticket(w), 10))
	if err == nil && !ans.granted {
		p.lines.queued(w, ans)
	}
	return ans, err
}

// confirm turns a grant into a hold. The renewal that follows at once confirms
// it to the server; with ReplicaAcks the hold must wait for replicas first.
func (w *waiter) confirm(ctx context.Context, call *call, g grant) (driver.Claim, error) {
	p := w.c.p
	p.engine.Observe(ctx, core.Event{
		Type: core.EventHandedOver, Kind: w.c.kind, Name: w.c.name, Shared: w.c.shared(),
		Token: g.fence, Duration: max(0, time.Since(g.made)),
	})
	if p.opts.ReplicaAcks > 0 {
		ans, err := w.enter(ctx)
		switch {
		case err != nil:
			return nil, err
		case !ans.granted:
			w.c.abandon(w.attempt, ans.call, true)
			return nil, &TroubleError{Unreachable, "", errors.New("the grant had ended before it could be confirmed")}
		}
		return w.c.hold(&w.attempt, ans)
	}
	return w.c.granted(&w.attempt, call, g)
}

// ended returns the error of a wait that ctx ended: what the server said last,
// if that was that it does not serve.
func (w *waiter) ended(ctx context.Context) error {
	if err := w.c.p.lines.trouble(w); err != nil {
		return err
	}
	return ctx.Err()
}

// patient reports whether the first request of a wait that failed so is worth
// another one. A server that cannot be reached is not: it is rather told.
func patient(err error) bool {
	var t *TroubleError
	return errors.As(err, &t) && (t.Trouble == Loading || t.Trouble == ClusterDown && !errors.Is(err, errNoNode))
}

func (c *claimer) shared() bool { return c.kind == core.KindRWLock && c.mode == 'r' }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
