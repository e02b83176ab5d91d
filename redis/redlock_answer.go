package redis

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// An answer that comes while the ballot is on is counted. One that comes later is a
// vote that joins the hold or is given back at once: no answer is ever dropped.

// arrive takes in an answer, or that there is none.
func (b *ballot) arrive(i int, call *call) {
	x := b.n.e.l.peers[i]
	if call.err != nil && !answered(call.err) {
		if !errors.Is(call.err, errClosed) {
			x.missed(call.err, errors.Is(call.err, context.DeadlineExceeded))
		}
		b.failed(i, call, diagnose(call.err))
		return
	}
	x.answered(call.back.Sub(call.sent))
	if call.err != nil {
		b.failed(i, call, diagnose(call.err))
		return
	}
	r := call.reply()
	call.node.clock.note(call, r.number(2))
	switch r.number(0) {
	case 1:
		if err := x.identify(r.text(4)); err != nil {
			b.failed(i, call, err)
			return
		}
		b.granted(i, call, r)
	case 0:
		b.refused(i, call, r)
	case -3:
		left := time.Duration(r.number(1)) * time.Millisecond
		x.mute(left)
		b.failed(i, call, fmt.Errorf("%w for %v: it is new, or was restarted without its data", errQuarantine, left.Round(time.Millisecond)))
	default:
		// The request was late, or the server's clock has moved. The reply tells its
		// time: once more.
		b.mu.Lock()
		v := &b.votes[i]
		v.late++
		retry := !b.over && v.late < 3
		b.mu.Unlock()
		if retry {
			b.ask(i)
			return
		}
		b.failed(i, call, errors.New("requests reach it too late"))
	}
}

// report changes what is known of a vote.
func (b *ballot) report(i int, change func(*ballotVote)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.votes[i])
	b.changed()
}

// failed takes in that there is no vote, and takes back what may yet come of the
// attempt. That of the waiter is taken back with it.
func (b *ballot) failed(i int, call *call, err error) {
	b.report(i, func(v *ballotVote) { v.state, v.err, v.slow = failed, err, false })
	b.mu.Lock()
	defer b.mu.Unlock()
	if open(call.err) || call.err == nil && call.reply().number(0) == 1 || b.votes[i].had {
		b.giveBackLate(i)
	}
}

func (b *ballot) granted(i int, call *call, r reply) {
	e := b.n.e
	ans := answer{call: call, granted: true, fence: uint64(r.number(1)), now: r.number(2)}
	e.l.learn(ans.fence)
	e.compareLimit(context.Background(), r.number(3))
	b.mu.Lock()
	defer b.mu.Unlock()
	v := &b.votes[i]
	v.had = true
	slot := r.number(5)
	if !b.over {
		v.state, v.answer, v.slot, v.from = granted, ans, slot, call.sent
		if b.slots && i == b.arb {
			b.slot = slot
		}
		b.changed()
		return
	}
	v.state, v.slow = granted, false
	if b.hold != nil && !b.waits(i) && (!b.slots || slot == b.slot) && b.hold.absorb(i, e.vote(i, v.attempt, ans, call.sent)) {
		return
	}
	b.giveBackLate(i)
	b.changed()
}

func (b *ballot) refused(i int, call *call, r reply) {
	e := b.n.e
	ans := answer{call: call, now: r.number(2), left: time.Duration(r.number(1)) * time.Millisecond,
		ticket: r.number(3), rank: r.number(4), holder: r.text(5), since: uint64(r.number(6))}
	e.l.learn(ans.since)
	e.compareLimit(context.Background(), r.number(7))
	_ = e.l.peers[i].identify(r.text(8))
	b.mu.Lock()
	over := b.over
	b.mu.Unlock()
	if b.waits(i) && !over {
		e.l.peers[i].p.lines.queued(b.w, ans)
	}
	b.report(i, func(v *ballotVote) { v.state, v.answer, v.slow, v.had = refused, ans, false, false })
}

// learn remembers the greatest token that was seen, so that the next proposal is
// greater.
func (l *RedLock) learn(fence uint64) {
	for {
		known := l.known.Load()
		if fence <= known || l.known.CompareAndSwap(known, fence) {
			return
		}
	}
}
