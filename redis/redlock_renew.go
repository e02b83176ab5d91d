package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// Renew implements driver.Renewer: one pipeline for each server. A hold is renewed
// when a majority of all servers has renewed its vote, and no answer is waited for
// after that. Votes that are missing are asked for again along with it.
func (l *RedLock) Renew(ctx context.Context, claims []driver.Claim) []error {
	r := &renewal{l: l, begun: time.Now(), claims: claims, tallies: make([]tally, len(claims)), undecided: len(claims), done: make(chan struct{})}
	for i := range l.peers {
		r.send(ctx, i)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
	}
	return r.results(ctx)
}

// A renewal is one call of Renew.
type renewal struct {
	l      *RedLock
	begun  time.Time
	claims []driver.Claim
	done   chan struct{}

	mu        sync.Mutex
	tallies   []tally
	undecided int
}

// A tally is what the servers have said of one claim.
type tally struct {
	yes, answers int
	err          error
}

// send asks one server to renew the votes that it has given.
func (r *renewal) send(ctx context.Context, i int) {
	x := r.l.peers[i]
	var places []int
	var votes []*vote
	var held []driver.Claim
	for at, claim := range r.claims {
		u := claim.(*union)
		u.mu.Lock()
		v, over := u.votes[i], u.over || u.end != nil
		missing := v == nil || v.gone
		u.mu.Unlock()
		if missing {
			r.count(at, false, nil)
			if !over {
				u.refill(i)
			}
			continue
		}
		places, votes, held = append(places, at), append(votes, v), append(held, v.h)
	}
	if len(held) == 0 {
		return
	}
	r.l.background.Go(func() {
		errs := x.p.Renew(ctx, held)
		for k, err := range errs {
			u := r.claims[places[k]].(*union)
			if err == nil {
				u.mu.Lock()
				votes[k].renewed(r.begun, r.l.opts.Lease)
				u.mu.Unlock()
			} else if errors.Is(err, core.ErrLost) {
				u.bereaved(i, votes[k], err)
			}
			r.count(places[k], err == nil, err)
		}
	})
}

// count takes in what a server said of a claim.
func (r *renewal) count(at int, yes bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &r.tallies[at]
	before := r.decided(t)
	t.answers++
	if yes {
		t.yes++
	}
	if err != nil {
		t.err = err
	}
	if !before && r.decided(t) {
		if r.undecided--; r.undecided == 0 {
			close(r.done)
		}
	}
}

func (r *renewal) decided(t *tally) bool {
	return t.yes >= r.l.quorum || t.answers == len(r.l.peers)
}

func (r *renewal) results(ctx context.Context) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	errs := make([]error, len(r.claims))
	for at := range r.tallies {
		t := &r.tallies[at]
		if t.yes >= r.l.quorum {
			continue
		}
		u := r.claims[at].(*union)
		u.mu.Lock()
		end := u.end
		u.mu.Unlock()
		switch {
		case end != nil:
			errs[at] = end
		case t.err != nil && !errors.Is(t.err, core.ErrLost):
			errs[at] = fmt.Errorf("renewal: %d of the %d votes that are needed: %w", t.yes, r.l.quorum, t.err)
		case ctx.Err() != nil:
			errs[at] = ctx.Err()
		default:
			errs[at] = &TroubleError{NoMajority, "", fmt.Errorf("renewal: %d of the %d votes that are needed", t.yes, r.l.quorum)}
		}
	}
	return errs
}

// refill asks a server for the vote that is missing, if it is up and somebody else
// does not have it. It does not wait. There is one request at a time: the next one
// goes out when it is known what came of the last.
func (u *union) refill(i int) {
	l, x, side := u.e.l, u.e.l.peers[i], u.e.sides[i]
	if !x.votes() {
		return
	}
	u.mu.Lock()
	if u.over || u.asked[i].begun && !u.asked[i].done {
		u.mu.Unlock()
		return
	}
	u.asked[i] = undo{begun: true}
	a := u.n.attempt(side)
	u.mu.Unlock()
	note := func(err error) {
		u.mu.Lock()
		u.asked[i].note(err)
		u.mu.Unlock()
		u.changed()
	}
	call := side.ballotCall(a, "", max(l.known.Load()+1, l.clock()), u.place, "0", x.guardian)
	x.p.servers.send(call)
	l.background.Go(func() {
		<-call.done
		r := call.settledReply(call.err)
		if call.err == nil {
			x.answered(call.back.Sub(call.sent))
			call.node.clock.note(call, r.number(2))
		} else if open(call.err) {
			x.missed(call.err, errors.Is(call.err, context.DeadlineExceeded))
		}
		if r.number(0) == 1 && x.identify(r.text(4)) == nil {
			ans := answer{call: call, granted: true, fence: uint64(r.number(1))}
			if u.absorb(i, u.e.vote(i, a, ans, call.sent)) {
				note(nil)
				return
			}
		}
		x.takeBack(side, a, call, false, note)
	})
}

// settle makes the token safe: a majority must have stored it, so that the next
// majority has met it. If one gave the same token to this hold, it has. Otherwise
// the greatest one is written back to those that gave their votes. A server takes
// it from its holder only, and may answer with a greater one if it knows of
// another holder with that token; then that one is written back, and so on.
//
// Of two holders that hold together no two get the same token: a server that both
// majorities have in common would have stored it for both.
func (u *union) settle(ctx context.Context) error {
	q := u.e.l.quorum
	u.mu.Lock()
	fences := make([]uint64, len(u.votes))
	for i, v := range u.votes {
		if v != nil {
			fences[i] = v.h.fence
		}
	}
	u.mu.Unlock()
	for range 10 {
		var top uint64
		for _, f := range fences {
			same := 0
			for _, g := range fences {
				if f != 0 && f == g {
					same++
				}
			}
			if same >= q {
				u.fence = f
				return nil
			}
			top = max(top, f)
		}
		if err := u.raise(ctx, top, fences); err != nil {
			return err
		}
	}
	return &TroubleError{NoMajority, "", fmt.Errorf("%w: no majority agreed on a fencing token", errRepeat)}
}

// raise writes a token back to all servers whose votes there are, and waits for a
// majority.
func (u *union) raise(ctx context.Context, fence uint64, fences []uint64) error {
	l := u.e.l
	l.learn(fence)
	type stored struct {
		at    int
		fence uint64
		err   error
	}
	answers := make(chan stored, len(l.peers))
	sent := 0
	for i, v := range u.there() {
		if v == nil {
			continue
		}
		x, side := l.peers[i], u.e.sides[i]
		script := x.raiseShared
		switch {
		case u.e.kind == core.KindLock:
			script = x.raiseLock
		case side.slotted():
			script = x.raiseSlot
		}
		call := x.p.script(script, []string{side.keys[stateKey], side.keys[fenceKey]}, v.h.token, string(side.mode), strconv.FormatUint(fence, 10))
		x.p.servers.send(call)
		sent++
		patience := x.patience()
		l.background.Go(func() {
			within, cancel := context.WithTimeout(l.engine.Context(), patience)
			defer cancel()
			err := call.wait(within)
			s := stored{at: i, err: err}
			if err == nil {
				s.fence = uint64(call.number())
			}
			answers <- s
		})
	}
	same := 0
	for range sent {
		select {
		case s := <-answers:
			if s.err != nil {
				continue
			}
			fences[s.at] = s.fence
			l.learn(s.fence)
			if s.fence == fence {
				same++
			}
			if same >= l.quorum {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	have := 0
	for _, f := range fences {
		if f != 0 {
			have++
		}
	}
	if have < l.quorum {
		return &TroubleError{NoMajority, "", fmt.Errorf("%w: too few servers stored the fencing token", errRepeat)}
	}
	return nil
}

// there returns the votes, by server, that have not ended.
func (u *union) there() []*vote {
	u.mu.Lock()
	defer u.mu.Unlock()
	votes := slices.Clone(u.votes)
	for i, v := range votes {
		if v != nil && v.gone {
			votes[i] = nil
		}
	}
	return votes
}
