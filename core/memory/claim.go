package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A claimer takes one object in one mode. It implements driver.Queuer.
type claimer struct {
	p     *Provider
	key   key
	admit int
}

func (p *Provider) claimer(kind core.Kind, name string, admit int) *claimer {
	return &claimer{p: p, key: key{kind, name}, admit: admit}
}

// Claim implements driver.Claimer.
func (c *claimer) Claim(ctx context.Context) (driver.Claim, error) {
	t := c.ticket()
	answer, err := c.p.send(ctx, OpClaim, t, func() error { return c.p.server.enter(t, false) })
	if err != nil {
		// A lost request and a lost reply look the same from here.
		c.giveBack(t)
		return nil, err
	}
	if answer != nil {
		return nil, answer
	}
	return c.claim(ctx, t), nil
}

// Wait implements driver.Queuer.
func (c *claimer) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	t := c.ticket()
	answer, err := c.p.send(ctx, OpWait, t, func() error { return c.p.server.enter(t, true) })
	if err != nil {
		c.giveBack(t)
		return nil, err
	}
	if answer != nil {
		busy(answer)
		select {
		case <-t.grant:
		case <-ctx.Done():
			// Of a grant and the end of ctx that come together, the end counts:
			// leaving gives up whichever of the two the ticket is by now, a
			// waiter or a holder.
			_ = c.p.server.leave(t)
			return nil, ctx.Err()
		}
	}
	return c.claim(ctx, t), nil
}

func (c *claimer) ticket() *ticket {
	return &ticket{key: c.key, admit: c.admit, owner: c.p.owner, lease: c.p.lease}
}

// claim makes the claim of a ticket that was granted.
func (c *claimer) claim(ctx context.Context, t *ticket) driver.Claim {
	if t.other != 0 {
		c.p.engine.Observe(ctx, core.Event{
			Type: core.EventLimitMismatch, Kind: c.key.kind, Name: c.key.name, Token: t.token,
			Err: fmt.Errorf("the limit is %d here and %d elsewhere", c.admit, t.other),
		})
	}
	if t.lease > 0 {
		// The server's clock is this one, so its own time of the grant will do.
		return leased{claim{c.p, t}, t.since}
	}
	return watched{claim{c.p, t}}
}

// giveBack ends a ticket of which it is not known whether it has arrived.
func (c *claimer) giveBack(t *ticket) {
	c.p.engine.GiveBack(claim{c.p, t}.Release)
}

// A claim is a ticket that holds.
type claim struct {
	p *Provider
	t *ticket
}

// Token implements driver.Claim.
func (c claim) Token() uint64 { return c.t.token }

// Release implements driver.Claim.
func (c claim) Release(ctx context.Context) error {
	answer, err := c.p.send(ctx, OpRelease, c.t, func() error { return c.p.server.leave(c.t) })
	if err != nil {
		return err
	}
	return answer
}

// A watched claim lives as long as the server says, and the server tells of its
// end.
type watched struct{ claim }

// Watch implements driver.Watched.
func (c watched) Watch(lost func(cause error)) { c.p.server.watch(c.t, lost) }

// A leased claim must be renewed. As with a real server, nobody tells of its
// end: the next renewal finds out, or the deadline passes.
type leased struct {
	claim
	from time.Time
}

// Lease implements driver.Leased.
func (c leased) Lease() (from time.Time, term time.Duration) { return c.from, c.t.lease }

// A renewer prolongs the leases of a provider.
type renewer struct{ p *Provider }

// Renew implements driver.Renewer.
func (r renewer) Renew(ctx context.Context, claims []driver.Claim) []error {
	errs := make([]error, len(claims))
	for i, c := range claims {
		t := c.(leased).t
		answer, err := r.p.send(ctx, OpRenew, t, func() error { return r.p.server.renew(t) })
		if err == nil {
			err = answer
		}
		errs[i] = err
	}
	return errs
}
