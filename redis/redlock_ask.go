package redis

import (
	"fmt"
	"strconv"
	"time"
)

// A ballot asks each server by a request of its own, and does not wait for any of
// them: a server that is late is reported as slow, and its answer is taken in
// whenever it comes.

// askAll asks every server that is up, or all of them if too few are. Those that it
// spares are asked when that turns out to be too few.
func (b *ballot) askAll() {
	l := b.n.e.l
	up := 0
	for _, x := range l.peers {
		if x.up() {
			up++
		}
	}
	for i, x := range l.peers {
		v := &b.votes[i]
		if up >= l.quorum && !x.up() {
			v.state, v.err, v.spared = failed, x.lastTrouble(), true
		}
		if b.waits(i) {
			v.attempt = b.w.attempt
		} else {
			v.attempt = b.n.series.attempt(b.n.e.sides[i])
		}
	}
	for i := range l.peers {
		if b.votes[i].state == asked {
			b.ask(i)
		}
	}
}

// askRest asks the servers that were spared, once all others have answered or
// failed, be it that they are only slow, and reports whether they may still make up
// for those that have failed.
func (b *ballot) askRest() bool {
	b.mu.Lock()
	var rest []int
	down, open := 0, 0
	for i := range b.votes {
		switch v := &b.votes[i]; {
		case v.spared:
			rest = append(rest, i)
		case v.state == failed:
			down++
		case v.state == asked:
			open++
		}
	}
	can := len(rest) > 0 && down <= len(b.votes)-b.n.e.l.quorum
	if !can || open > 0 {
		rest = nil
	}
	for _, i := range rest {
		b.votes[i].spared, b.votes[i].state = false, asked
	}
	b.mu.Unlock()
	for _, i := range rest {
		b.ask(i)
	}
	return can
}

// askRefusers asks again those that have refused, or have given another slot. None
// of these attempts was taken back, so they may be repeated.
func (b *ballot) askRefusers() {
	b.mu.Lock()
	var again []int
	for i := range b.votes {
		v := &b.votes[i]
		if i != b.arb && (v.state == refused || v.state == granted && b.slots && v.slot != b.slot) {
			v.state = asked
			again = append(again, i)
		}
	}
	b.mu.Unlock()
	for _, i := range again {
		b.ask(i)
	}
}

// ask sends the request to one server.
func (b *ballot) ask(i int) {
	call := b.send(i)
	b.mu.Lock()
	b.votes[i].call = call
	b.mu.Unlock()
	if b.waits(i) {
		b.requests.sent(call)
	}
	x := b.n.e.l.peers[i]
	b.n.e.l.background.Go(func() {
		timer := time.NewTimer(x.patience())
		defer timer.Stop()
		select {
		case <-call.done:
		case <-timer.C:
			err := fmt.Errorf("no answer within %v", time.Since(b.begun).Round(time.Millisecond))
			x.missed(err, true)
			b.report(i, func(v *ballotVote) { v.state, v.err, v.slow = failed, err, true })
			<-call.done
		}
		b.arrive(i, call)
	})
}

// send makes the request. The waiter's own carries its ticket.
func (b *ballot) send(i int) *call {
	e := b.n.e
	side, x := e.sides[i], e.l.peers[i]
	b.mu.Lock()
	a, slot := b.votes[i].attempt, b.slot
	ticket, other := "", "0"
	if i == b.arb {
		other = "1"
	}
	if b.waits(i) {
		ticket = strconv.FormatInt(x.p.lines.ticket(b.w), 10)
	}
	b.mu.Unlock()
	call := side.ballotCall(a, ticket, b.fence, slot, other, x.guardian)
	x.p.owners.introduce(call)
	return call
}

// slotted reports whether the object is a semaphore.
func (c *claimer) slotted() bool { return c.family == c.p.slots }

// ballotCall makes the call that asks for a vote.
func (c *claimer) ballotCall(a attempt, ticket string, fence uint64, slot int64, other, guardian string) *call {
	args := []any{a.token, "", ticket, a.record, strconv.FormatUint(fence, 10), guardian}
	switch {
	case c.slotted():
		args = append(args, strconv.Itoa(c.limit), strconv.FormatInt(slot, 10), other)
	case c.family == c.p.shared:
		args = append(args, string(c.mode))
	}
	call := c.p.script(c.acquire, []string{c.keys[0], c.keys[1], c.keys[2], c.keys[3], c.p.opts.Prefix + ":guard"}, args...)
	call.guard = 2
	return call
}
