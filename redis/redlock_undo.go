package redis

import (
	"context"
	"slices"
	"time"
)

// An undo is how far an attempt has been taken back.
type undo struct {
	begun, done bool
	err         error // of the last try
}

// note takes in the outcome of one try.
func (u *undo) note(err error) { u.begun, u.done, u.err = true, err == nil, err }

// finish settles the ballot. What was granted is given back unless it was won, but
// for the place in the queue, which is the caller's.
func (b *ballot) finish(out outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if out == won {
		b.win()
		return
	}
	for i := range b.votes {
		if b.votes[i].state == granted {
			b.giveBack(i)
		}
	}
}

// giveBack takes an attempt back, unless that is the waiter's. Its caller holds
// b.mu.
func (b *ballot) giveBack(i int) {
	if b.votes[i].call != nil && !b.waits(i) {
		b.takeBack(i)
	}
}

// giveBackLate is giveBack for what arrives by itself. If the waiter has moved on,
// it has taken its attempt back with what it knew. Its caller holds b.mu.
func (b *ballot) giveBackLate(i int) {
	if !b.waits(i) {
		b.takeBack(i)
	}
}

// takeBack takes an attempt back. Its caller holds b.mu.
func (b *ballot) takeBack(i int) {
	v := &b.votes[i]
	v.undo.begun = true
	b.n.e.l.peers[i].takeBack(b.n.e.sides[i], v.attempt, v.call, v.had, func(err error) {
		b.mu.Lock()
		v.undo.note(err)
		b.changed()
		b.mu.Unlock()
	})
}

// withdrawn waits until what was granted is given back, if that does not take
// longer than any other request.
func (b *ballot) withdrawn(ctx context.Context) {
	limit := time.NewTimer(leastPatience)
	defer limit.Stop()
	for b.withdraws() {
		select {
		case <-b.news:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (b *ballot) withdraws() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.votes, func(v ballotVote) bool {
		return v.state == granted && v.undo.begun && !v.undo.done && v.undo.err == nil
	})
}

// changed wakes whoever waits for a change: the caller of the ballot, or of the
// release of its hold. Its caller holds b.mu.
func (b *ballot) changed() {
	news := b.news
	if b.hold != nil {
		news = b.hold.free
	}
	select {
	case news <- struct{}{}:
	default:
	}
}

// stray tells of each server whether it may have a vote of this ballot that did
// not join the hold, because there is no answer yet or because it could not be
// taken back yet, and whether that was tried.
func (b *ballot) stray() []undo {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]undo, len(b.votes))
	for i := range b.votes {
		v := &b.votes[i]
		if all[i] = v.undo; v.call != nil && (v.state == asked || v.state == failed && v.slow) {
			all[i] = undo{begun: true}
		}
	}
	return all
}
