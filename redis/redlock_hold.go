package redis

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core/driver"
)

// A union is a hold: the votes of a majority, and of whatever other server could
// be had besides.
type union struct {
	e     *elector
	fence uint64
	place int64 // the slot of a semaphore

	ballot   *ballot
	requests *requests // for the vote of the server at which it waited, or nil

	mu     sync.Mutex
	series *series // of the election; from now on the hold's
	votes  []*vote // by server; nil: none
	asked  []*undo // by server: the last request for a vote that was missing; nil: none
	over   bool    // it was released, so no vote may join
	begun  bool    // the releases were sent
	told   bool    // that too few servers have confirmed them
	lose   func(error)
	cause  error         // why a vote ended last
	end    error         // why too few are left
	timer  *time.Timer   // when the votes that are left expire; nil while none has ended
	free   chan struct{} // of capacity 1: a vote was given back
}

// A vote is the hold on one server.
type vote struct {
	h     *hold
	until time.Time // not after its lease ends
	from  time.Time // when the lease began, at the latest
	gone  bool      // the server says that it has ended
	given time.Time // when it was, if it was asked for again and does not count yet; see refill
	freed bool      // it was given back, or had ended
	tries int       // of its release without an answer in time
	tried bool      // its release has failed
	err   error     // of the last try
}

var (
	_ driver.Leased  = (*union)(nil)
	_ driver.Watched = (*union)(nil)
	_ driver.Checked = (*union)(nil)
)

// renewed takes in that the server has begun a lease after from. Answers may
// overtake each other: the lease only grows.
func (v *vote) renewed(from time.Time, lease time.Duration) {
	if from.After(v.from) {
		v.from, v.until = from, from.Add(lease)
	}
}

// vote makes a vote of a grant. From now on messages about the attempt find it.
func (e *elector) vote(i int, a attempt, ans answer, from time.Time) *vote {
	side := e.sides[i]
	h := &hold{c: side, seq: a.seq, token: a.token, fence: ans.fence, from: from, term: e.l.opts.Lease}
	side.p.register.add(h)
	return &vote{h: h, from: from, until: from.Add(e.l.opts.Lease)}
}

// win makes the hold of a ballot that was won. The waiter's attempt, if it was not
// granted in time, is taken back. Its caller holds b.mu.
func (b *ballot) win() {
	e := b.n.e
	u := &union{e: e, series: b.n.series, ballot: b, place: b.slot, votes: make([]*vote, len(b.votes)), asked: make([]*undo, len(b.votes)), free: make(chan struct{}, 1)}
	for i := range b.votes {
		v := &b.votes[i]
		if v.state == granted && (!b.slots || v.slot == b.slot) {
			u.votes[i] = e.vote(i, v.attempt, v.answer, v.from)
			u.listen(i, u.votes[i])
			if b.waits(i) {
				u.requests = b.requests
			}
			continue
		}
		if v.state == granted || b.waits(i) && v.call != nil {
			b.takeBack(i)
		}
		if b.waits(i) {
			b.requests.undoOthers(v.call)
		}
	}
	b.hold = u
}

// claim returns the hold of a ballot that was won, once its token is safe and if
// enough of its lease is left.
func (b *ballot) claim(ctx context.Context) (driver.Claim, error) {
	u := b.hold
	if err := u.settle(ctx); err != nil {
		u.e.l.engine.GiveBack(u.Release)
		return nil, err
	}
	from, term := u.Lease()
	if left := time.Until(from.Add(term)); left < u.e.l.opts.Lease/2 {
		u.e.l.engine.GiveBack(u.Release)
		return nil, &TroubleError{NoMajority, "", fmt.Errorf("%w: the votes took so long that only %v of a lease of %v is left", errRepeat, left.Round(time.Millisecond), u.e.l.opts.Lease)}
	}
	return u, nil
}

// absorb lets a vote join that came late, and reports whether it may.
func (u *union) absorb(i int, v *vote) bool {
	u.mu.Lock()
	can := !u.over && u.end == nil && (u.votes[i] == nil || u.votes[i].gone)
	if can {
		u.votes[i] = v
	}
	u.mu.Unlock()
	if !can {
		u.e.sides[i].p.register.remove(v.h)
		return false
	}
	u.listen(i, v)
	return true
}

// Token implements driver.Claim.
func (u *union) Token() uint64 { return u.fence }

// Lease implements driver.Leased: the lease of the vote without which those that
// last longer are no majority.
func (u *union) Lease() (time.Time, time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.lasts()
}

// lasts is Lease, of the votes that count. Its caller holds u.mu.
func (u *union) lasts() (time.Time, time.Duration) {
	var all []*vote
	for _, v := range u.votes {
		if v != nil && !v.gone && v.given.IsZero() {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(a, b *vote) int { return b.until.Compare(a.until) })
	q := u.e.l.quorum
	if len(all) < q {
		return time.Time{}, 0
	}
	return all[q-1].from, all[q-1].until.Sub(all[q-1].from)
}
