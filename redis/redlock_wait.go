package redis

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A candidate is an acquire that goes from round to round until it is elected.
type candidate struct {
	n       *election
	busy    func(error) // the engine's; nil: it has been told
	held    error       // who holds the object
	blind   int         // rounds that others held up without a place in a queue
	trouble error       // of the servers, if that is what is waited for now
	begun   time.Time
	pause   time.Duration
	repeats int // of elections that were won too late
}

// mostRepeats is how often an election may be won too late: servers that are always
// so slow make a hold too short to be of use.
const mostRepeats = 5

// Wait implements driver.Queuer.
func (e *elector) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	n := e.election()
	c := &candidate{n: n, busy: busy, begun: n.begun, pause: shortPause}
	came := n.series.base
	ctx, in := e.l.rows.enter(ctx, e.row(), came, n.called)
	defer n.leave()
	for {
		claim, err := c.round(ctx)
		switch {
		case err == nil && claim == nil:
			continue
		case err == nil && n.passOn(came, claim):
			continue
		}
		gift := e.l.rows.leave(e.row(), in)
		if gift == nil {
			return claim, err
		}
		if claim != nil {
			e.l.engine.GiveBack(claim.Release)
		}
		return gift, nil
	}
}

// round asks the servers, and waits until it is worth asking again. It returns the
// hold if it was won, an error if that is the end, and neither of them if not.
func (c *candidate) round(ctx context.Context) (driver.Claim, error) {
	n := c.n
	n.choose()
	b := n.ballot()
	outcome := b.run(ctx, n.patience())
	if b.contended() {
		c.contended(ctx, b, outcome)
	}
	switch outcome {
	case won:
		claim, err := b.claim(ctx)
		if err != nil && !over(ctx, err) && errors.Is(err, errRepeat) && c.repeats < mostRepeats {
			c.repeats++
			n.abandon()
			return nil, nil
		}
		return claim, err
	case ended:
		return nil, c.end(ctx.Err())
	case unavailable:
		return nil, c.unavailable(ctx, b)
	case split:
		return nil, c.split(ctx, b)
	default:
		if err := n.await(ctx); err != nil {
			return nil, c.end(err)
		}
		return nil, nil
	}
}

// contended takes in that others hold the object. The engine hears of it when this
// one has its place among those who wait, or does not get one soon.
func (c *candidate) contended(ctx context.Context, b *ballot, outcome outcome) {
	if outcome != queued && outcome != split {
		return
	}
	c.trouble, c.pause = nil, shortPause
	if c.busy == nil {
		return
	}
	c.held = b.busy(ctx)
	if c.blind++; outcome == queued || c.blind > 2 {
		c.busy(c.held)
		c.busy = nil
	}
}

// end gives the place back when the context has ended, and returns why the acquire
// has got nothing: the servers, or the holder if the engine was not told yet.
func (c *candidate) end(err error) error {
	c.n.abandon()
	switch {
	case c.trouble != nil:
		return c.trouble
	case c.busy != nil && errors.Is(c.held, core.ErrNotAcquired):
		return c.held
	}
	return err
}

// unavailable waits for servers. An acquire that begins while too few are up is
// told so; one that has waited for a holder waits for them too.
func (c *candidate) unavailable(ctx context.Context, b *ballot) error {
	n := c.n
	c.trouble = b.noMajority()
	patient := errors.Is(c.trouble, errQuarantine) || b.slow() && time.Since(c.begun) < n.e.l.opts.Timeout
	if c.busy != nil && !patient {
		n.abandon()
		return c.trouble
	}
	if !b.slow() || !n.e.l.peers[n.place].votes() {
		n.abandon() // Servers that are only slow do not cost the place.
	}
	if sleep(ctx, c.pause/2+rand.N(c.pause)) != nil {
		return c.end(ctx.Err())
	}
	c.pause = min(2*c.pause, time.Second)
	return nil
}

// split goes on with the next round of a turn, or gives it up: where the votes are
// kept by others for so long, those do not know of this place, or did not when they
// came, and it is better to wait where they are.
func (c *candidate) split(ctx context.Context, b *ballot) error {
	n := c.n
	if first := n.home(b); first >= 0 {
		n.gohome(first)
		return nil
	}
	if n.goesOn(b) {
		if sleep(ctx, n.pause()) != nil {
			return c.end(ctx.Err())
		}
		return nil
	}
	elsewhere := -1
	if n.push == 0 && b.has(n.place) {
		elsewhere = b.refuser(n.place)
	}
	n.abandon()
	n.place = elsewhere
	if n.place < 0 && sleep(ctx, rand.N(20*time.Millisecond)) != nil {
		return c.end(ctx.Err())
	}
	return nil
}
