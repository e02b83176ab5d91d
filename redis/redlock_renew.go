package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// Renew implements driver.Renewer: one pipeline for each server. A hold is renewed
// when a majority of all servers has renewed its vote, and Renew waits for no answer
// after that. Votes that are missing are asked for again along with it.
//
// Answers that come later are taken in all the same. A server that is always the
// last to answer has its vote renewed like all others, and when one of those ends,
// the hold stands on it; if it has forgotten its vote, it must be asked for another.
func (l *RedLock) Renew(ctx context.Context, claims []driver.Claim) []error {
	r := &renewal{l: l, begun: time.Now(), claims: claims, tallies: make([]tally, len(claims)), undecided: len(claims), done: make(chan struct{})}
	for i := range l.peers {
		r.send(i)
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
	yes     int // of those whose votes count
	answers int
	err     error
}

// send asks one server to renew the votes that it has given. Its answer is waited
// for until the request is over, which Timeout bounds, or until Close begins: ctx of
// Renew ends when Renew returns, and knows only of those that were faster.
func (r *renewal) send(i int) {
	x := r.l.peers[i]
	var places []int
	var votes []*vote
	var counts []bool
	var held []driver.Claim
	for at, claim := range r.claims {
		u := claim.(*union)
		u.mu.Lock()
		v, over := u.votes[i], u.over || u.end != nil
		missing := v == nil || v.gone
		counting := !missing && v.given.IsZero()
		u.mu.Unlock()
		if missing {
			r.count(at, false, nil)
			if !over {
				u.refill(i)
			}
			continue
		}
		places, votes, held = append(places, at), append(votes, v), append(held, v.h)
		counts = append(counts, counting)
	}
	if len(held) == 0 {
		return
	}
	r.l.background.Go(func() {
		errs := x.p.Renew(r.l.engine.Context(), held)
		for k, err := range errs {
			u := r.claims[places[k]].(*union)
			if err == nil {
				u.mu.Lock()
				votes[k].renewed(r.begun, r.l.opts.Lease)
				u.mu.Unlock()
			} else if errors.Is(err, core.ErrLost) {
				u.bereaved(i, votes[k], err)
			}
			r.count(places[k], err == nil && counts[k], err)
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
	if yes && t.yes == r.l.quorum {
		r.claims[at].(*union).confirm(r.begun)
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
