package redis

import (
	"context"
	"errors"
	"time"
)

// A vote that a hold lacks, because the server was down, forgot it, or had given it
// to somebody else, is asked for again along with each renewal.
//
// It does not count at once. The hold may have ended while it was asked for, and not
// know yet: a majority was deleted, and the servers tell one after the other. If each
// were made up for before the next one tells, a hold would outlive its end, and
// somebody else may have held in between. So a vote counts from when a majority of
// others that count has been renewed by requests that were sent after it was given:
// they were there all the time, and so was the hold. The price is that a hold ends
// if it needs such a vote before the next renewal.
//
// Votes of the ballot itself that come late count at once: they are fewer than a
// majority, and so cannot stand for a hold all of whose votes were deleted.

// refill asks a server for the vote that is missing, if it is up and somebody else
// does not have it. It does not wait.
func (u *union) refill(i int) {
	l, x, side := u.e.l, u.e.l.peers[i], u.e.sides[i]
	if !x.votes() {
		return
	}
	a, note := u.inquire(i)
	if note == nil {
		return
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
			v := u.e.vote(i, a, ans, call.sent)
			v.given = time.Now()
			if u.absorb(i, v) {
				note(nil)
				return
			}
		}
		x.takeBack(side, a, call, false, note)
	})
}

// inquire begins a request for a vote, and returns its attempt and what takes in the
// outcome of each try to take that back; nil if the hold is over or there is a request
// already. There is one at a time: the next one goes out when it is known what came of
// the last. A try that is made again then is of that last one, and says nothing of the
// next.
func (u *union) inquire(i int) (a attempt, note func(error)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over || u.asked[i] != nil && !u.asked[i].done {
		return attempt{}, nil
	}
	asked := &undo{begun: true}
	u.asked[i] = asked
	return u.series.attempt(u.e.sides[i]), func(err error) {
		u.mu.Lock()
		asked.note(err)
		u.mu.Unlock()
		u.changed()
	}
}

// confirm has those votes count that were given before the requests were sent by which
// a majority was renewed. Whoever waits for the hold to expire looks again then.
func (u *union) confirm(renewed time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, v := range u.votes {
		if v != nil && v.given.Before(renewed) {
			v.given = time.Time{}
		}
	}
}
