package redis

import (
	"context"
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A hold is a claim that the server has granted.
type hold struct {
	c     *claimer
	seq   uint64
	token string
	fence uint64
	from  time.Time // not after the server began to count
	term  time.Duration

	mu   sync.Mutex
	lose func(error) // the engine's, once it watches
	end  error       // a loss that came before
	open bool        // a release got no answer
}

var (
	_ driver.Leased  = (*hold)(nil)
	_ driver.Watched = (*hold)(nil)
)

// register knows the holds of a provider, so that a message can find one.
type register struct {
	mu    sync.Mutex
	holds map[uint64]*hold
}

func (r *register) add(h *hold) {
	r.mu.Lock()
	r.holds[h.seq] = h
	r.mu.Unlock()
}

func (r *register) remove(h *hold) {
	r.mu.Lock()
	delete(r.holds, h.seq)
	r.mu.Unlock()
}

func (r *register) find(seq uint64) *hold {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.holds[seq]
}

func (r *register) empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.holds) == 0
}

// hold makes a hold of an attempt that was granted by a reply.
func (c *claimer) hold(a *attempt, ans answer) (driver.Claim, error) {
	return c.granted(a, ans.call, grant{fence: ans.fence, from: ans.call.sent, term: c.p.opts.Lease})
}

// granted makes a hold of a grant. call is what was sent last for the attempt;
// with ReplicaAcks it tells how many replicas know of it.
func (c *claimer) granted(a *attempt, call *call, g grant) (driver.Claim, error) {
	h := &hold{c: c, seq: a.seq, token: a.token, fence: g.fence, from: g.from, term: g.term}
	if err := c.acknowledged(call); err != nil {
		c.p.engine.GiveBack(h.Release)
		return nil, err
	}
	c.p.register.add(h)
	return h, nil
}

// acknowledged returns an error if fewer replicas than the options demand have
// what the call wrote, or if the server did not say how many.
func (c *claimer) acknowledged(call *call) error {
	want := int64(c.p.opts.ReplicaAcks)
	if want == 0 || call.acksErr == nil && call.replicas >= want {
		return nil
	}
	if call.acksErr != nil {
		return diagnose(call.acksErr)
	}
	err := fmt.Errorf("%d of %d replicas acknowledged the lock within %v", call.replicas, want, c.p.opts.ReplicaTimeout)
	return &TroubleError{NoReplicas, "the lock was given back", err}
}

// Token implements driver.Claim.
func (h *hold) Token() uint64 { return h.fence }

// Lease implements driver.Leased.
func (h *hold) Lease() (time.Time, time.Duration) { return h.from, h.term }

// Watch implements driver.Watched. A hold that lasts makes the provider listen,
// so that it can be told when somebody breaks it.
func (h *hold) Watch(lose func(error)) {
	h.mu.Lock()
	h.lose = lose
	end := h.end
	h.mu.Unlock()
	if end != nil {
		lose(end)
		return
	}
	h.c.p.receiver.wanted()
}

// bereave ends a hold of which the server says that it is over.
func (h *hold) bereave(cause error) {
	h.mu.Lock()
	h.end = cause
	lose := h.lose
	h.mu.Unlock()
	if lose != nil {
		lose(cause)
	}
}

// Release implements driver.Claim. A release that is carried out twice finds
// nothing the second time, so after one that got no answer that is no loss.
//
// Once one has been sent, no message can say anything of the hold, and it is
// forgotten whatever came of that: nobody may call again. A grant of it that is
// still on its way is then one for an attempt that is over, and is taken back.
func (h *hold) Release(ctx context.Context) error {
	p := h.c.p
	call := p.borrow(h.c.release, h.c.keys[:])
	call.patient = p.patient(ctx)
	switch {
	case h.c.release.joint != nil:
		call.form, call.token = gives, &h.token
	case h.c.family == p.shared:
		call.args = []any{h.token, string(h.c.mode)}
	default:
		call.args = []any{h.token}
	}
	err := p.call(ctx, call)
	p.register.remove(h)

	h.mu.Lock()
	before := h.open
	h.open = before || over(ctx, err) || open(err)
	h.mu.Unlock()
	switch {
	case err == nil && call.number() != 1 && !before && !call.repeated:
		err = lost("the server no longer had it")
	case err == nil:
	case over(ctx, err):
		return err
	case goredis.HasErrorPrefix(err, "WRONGTYPE"):
		err = lost("the key was overwritten")
	default:
		return diagnose(err)
	}
	p.reuse(call)
	return err
}

// Renew implements driver.Renewer: one script for many holds of a server, and one
// pipeline for each server.
func (p *Provider) Renew(ctx context.Context, claims []driver.Claim) []error {
	batches := p.batches(claims)
	calls := make([]*call, 0, len(batches))
	for _, b := range batches {
		calls = append(calls, b.call)
	}
	p.owners.refresh()
	p.servers.sendApart(calls)
	errs := make([]error, len(claims))
	for _, b := range batches {
		err := b.call.wait(ctx)
		r := b.call.settledReply(err)
		for i, at := range b.places {
			switch {
			case err != nil:
				errs[at] = fmt.Errorf("renewal: %w", diagnose(err))
			case r.number(i) != 1:
				errs[at] = lost("the key is gone: it was deleted, broken, evicted, or forgotten by a failover")
			}
		}
	}
	return errs
}

// A batch is one script that renews several holds.
type batch struct {
	call   *call
	places []int // in the list of claims
}

// perScript is how many holds one script renews: below a millisecond of the
// server's time.
const perScript = 200

func (p *Provider) batches(claims []driver.Claim) []*batch {
	var batches []*batch
	current := make(map[*script]*batch, 2)
	for i, claim := range claims {
		h := claim.(*hold)
		b := current[h.c.extend]
		if b == nil || len(b.places) == perScript || p.servers.cluster != nil {
			b = &batch{call: p.script(h.c.extend, nil)}
			current[h.c.extend] = b
			batches = append(batches, b)
		}
		b.places = append(b.places, i)
		if h.c.family == p.lock {
			b.call.keys = append(b.call.keys, h.c.keys[stateKey])
			b.call.args = append(b.call.args, h.token)
		} else {
			b.call.keys = append(b.call.keys, h.c.keys[stateKey], h.c.keys[fenceKey])
			b.call.args = append(b.call.args, string(h.c.mode)+"|"+h.token)
		}
	}
	return batches
}

// settledReply is reply, for a call that may still be under way.
func (c *call) settledReply(err error) reply {
	if err != nil {
		return nil
	}
	return c.reply()
}

var errBroken = fmt.Errorf("%w: it was broken by an operator", core.ErrLost)
