package redis

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
)

// An election is one acquire. Each of its rounds has tokens of its own: what one
// round gives back may arrive late, and must not touch what the next one gets.
type election struct {
	e      *elector
	series *series // of its tokens; that of the hold, once it is won
	begun  time.Time

	w      *waiter // in the queue of the server place, or nil
	place  int
	push   uint64    // the fence, or the slot and one, that came with its grant; 0: none
	asked  *requests // for w
	ticket int64     // of the last place, 0: none
	moves  int       // places it has left

	mine  atomic.Bool            // its turn has come
	waits atomic.Pointer[waiter] // who waits for that to be told, or nil

	rival string    // who holds the object although it is this one's turn, or ""
	turn  time.Time // until when it goes on asking while it is its turn; zero: it is not
	tries int       // rounds of this turn
}

func (e *elector) election() *election {
	return &election{e: e, series: e.l.series(), begun: time.Now(), place: -1}
}

// patience returns for how long a round asks again those that others hold. What
// the last holder has released is on its way to them; a few round trips bring it.
func (n *election) patience() time.Duration {
	return 10*time.Millisecond + 8*n.e.l.peers[n.place].shortly()
}

// goesOn reports whether to ask for another round while it is this one's turn.
//
// Where processes disagree about the place to wait, it is the turn of several at
// once, and each may have some of the votes and wait for the others to let go of
// theirs. So none of them keeps what it has for longer than a round, other than
// its turn, and each pauses for a random time before the next one: whoever comes
// first then finds all that the others have given back.
//
// It is another matter if the object is held: by somebody whose request has
// reached this server after the waiter's, or not at all. That one is waited for,
// with the vote in hand, because it keeps those who come later waiting here too.
// When another one has got the object after it, those who hold it know of another
// place to wait.
//
// Of a semaphore of several permits that one holds a slot only, be it the one that
// this server has to give, and others may be free. They are had where it is refused.
func (n *election) goesOn(b *ballot) bool {
	if n.w == nil || !b.has(n.place) {
		return false
	}
	several := b.slots && n.e.limit > 1
	if rival := b.rival(); !several && rival != "" && (n.rival == "" || n.rival == rival) {
		n.rival = rival
		n.tries++
		return true
	}
	switch {
	case n.turn.IsZero() && n.push > 0:
		n.turn = time.Now().Add(300*time.Millisecond + rand.N(300*time.Millisecond))
	case n.turn.IsZero():
		n.turn = time.Now().Add(100 * time.Millisecond)
	}
	n.tries++
	return n.tries < leastRounds || time.Now().Before(n.turn)
}

// leastRounds is how many rounds a turn has, however long each of them takes.
const leastRounds = 8

// pause returns how long to stay away before the next round of a turn. A holder may
// take its time.
func (n *election) pause() time.Duration {
	if n.rival != "" && n.tries > 4*leastRounds {
		return 100*time.Millisecond + rand.N(100*time.Millisecond)
	}
	return rand.N(min((2*time.Millisecond+2*n.e.l.peers[n.place].shortly())<<min(n.tries, 5), 50*time.Millisecond))
}

// choose takes a place in a queue: at the first server that votes, or where the
// last round said. A ticket is the time at which it was drawn, so it is good for
// the queue of any server: whoever had to leave one is not the last in the next. A
// server's clock that is wrong costs order, until those who had a ticket of
// another one are served.
func (n *election) choose() {
	if n.w != nil {
		return
	}
	l := n.e.l
	if n.place < 0 || !l.peers[n.place].up() {
		n.place = l.arbiter()
	}
	side := n.e.sides[n.place]
	n.push = 0
	if n.ticket == 0 && n.moves > 0 {
		n.ticket = l.ticket(n.begun) // No server has got round to it.
	}
	x := l.peers[n.place]
	n.w = x.p.lines.join(side, n.series.attempt(side), n.ticket)
	n.asked = &requests{x: x, w: n.w}
	x.stand()
}

// arbiter returns the server at which to wait: the first that votes, in an order
// on which all processes agree, or else the first that is up.
func (l *RedLock) arbiter() int {
	for i, x := range l.peers {
		if x.votes() {
			return i
		}
	}
	for i, x := range l.peers {
		if x.up() {
			return i
		}
	}
	return 0
}

// leave forgets the place.
func (n *election) leave() {
	if n.w != nil {
		p := n.e.l.peers[n.place]
		n.ticket, n.moves = p.p.lines.ticket(n.w), n.moves+1
		p.p.lines.leave(n.w)
		p.unstand()
		n.w, n.asked, n.rival, n.turn, n.tries = nil, nil, "", time.Time{}, 0
		n.mine.Store(false)
	}
}

// abandon gives the place back, whatever came of it.
func (n *election) abandon() {
	if n.w == nil {
		return
	}
	asked := n.asked
	n.leave()
	n.push = 0
	asked.undo()
}

// called reports whether this one's turn has come, be it that it has not heard yet.
func (n *election) called() bool {
	w := n.waits.Load()
	return n.mine.Load() || w != nil && len(w.grants) > 0
}

// await waits until it is this one's turn, until the server at which it waits does
// not know of it any more, or until that is down.
func (n *election) await(ctx context.Context) error {
	x := n.e.l.peers[n.place]
	x.p.receiver.start()
	n.rival, n.turn, n.tries = "", time.Time{}, 0
	n.mine.Store(false)
	n.waits.Store(n.w)
	defer n.waits.Store(nil)
	select {
	case g := <-n.w.grants:
		n.mine.Store(true)
		if n.push = max(g.fence, 1); !g.stale() {
			n.e.l.engine.Observe(ctx, core.Event{
				Type: core.EventHandedOver, Kind: n.e.kind, Name: n.e.name, Shared: n.w.c.shared(),
				Duration: max(0, time.Since(g.made)),
			})
		}
	case <-n.w.astray:
		n.push = 0 // The same attempt takes its old place again.
		if n.misplaced() {
			n.abandon()
			n.place = -1
		}
	case <-x.falls():
		n.abandon()
		n.place = -1
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
