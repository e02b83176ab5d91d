package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// A ballot is one round of an election: all servers are asked at the same time,
// and the one at which the caller waits also for a place in its queue.
//
// A ballot goes on by itself when its caller has the outcome: a vote that comes
// after that joins the hold, or is given back.
type ballot struct {
	n     *election
	w     *waiter // whose attempt it is that goes to arb, or nil
	arb   int     // the server that decides between those who ask at the same time
	fence uint64
	slots bool
	news  chan struct{} // of capacity 1
	begun time.Time

	mu    sync.Mutex
	votes []ballotVote
	slot  int64
	over  bool // what comes now is late
	hold  *union
}

type ballotVote struct {
	state   voteState
	attempt attempt
	call    *call
	answer  answer
	slot    int64
	from    time.Time
	err     error
	late    int  // requests that were refused because they were late
	had     bool // it was granted, be it that it was asked for again since
	slow    bool // it has failed so far because there is no answer yet
	undo    undo // of the attempt
}

// An undo is how far an attempt has been taken back.
type undo struct {
	begun, done bool
	err         error // of the last try
}

// note takes in the outcome of one try.
func (u *undo) note(err error) { u.begun, u.done, u.err = true, err == nil, err }

type voteState int

const (
	asked voteState = iota
	granted
	refused
	failed
)

type outcome int

const (
	won         outcome = iota
	queued              // it is somebody else's turn
	split               // it is this one's turn, but others have a majority
	unavailable         // too few servers answer
	ended               // the caller's context has
)

// ballot begins a round.
func (n *election) ballot() *ballot {
	l := n.e.l
	b := &ballot{n: n, arb: n.place, news: make(chan struct{}, 1), votes: make([]ballotVote, len(l.peers)), slots: n.e.sides[0].slotted()}
	if b.arb < 0 {
		b.arb = l.arbiter()
	}
	b.w = n.w
	n.last = b
	b.fence = max(l.known.Load()+1, l.clock())
	if b.slots {
		b.slot = rand.Int64N(int64(max(n.e.limit, 1)))
		if n.push > 0 {
			b.slot = int64(n.push) - 1
		}
	} else if n.push > 1 {
		b.fence = n.push // The server at which this one waited has stored it.
	}
	return b
}

// slotted reports whether the object is a semaphore.
func (c *claimer) slotted() bool { return c.family == c.p.slots }

// run asks, and asks again for up to patience those that others hold while it is
// this one's turn: what the last holder has released is on its way to them.
func (b *ballot) run(ctx context.Context, patience time.Duration) outcome {
	b.begun = time.Now()
	b.askAll()
	pause := time.Duration(0)
	var until time.Time // of asking again
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	limit := time.NewTimer(b.n.e.l.opts.Lease / 4)
	defer limit.Stop()
	again := false
	for {
		out, done, stuck := b.count()
		switch {
		case done:
			b.finish(out)
			return out
		case stuck && until.IsZero():
			until = time.Now().Add(patience)
			continue
		case stuck && time.Now().After(until):
			b.finish(split)
			return split
		case stuck && !again:
			again = true
			timer.Reset(pause)
			pause = min(2*pause+b.n.e.l.peers[b.arb].shortly(), 50*time.Millisecond)
		}
		select {
		case <-b.news:
		case <-limit.C:
		case <-timer.C:
			again = false
			b.askRefusers()
		case <-ctx.Done():
			b.finish(ended)
			return ended
		}
	}
}

// count returns the outcome, or whether there is none because others hold votes
// although it is this one's turn.
func (b *ballot) count() (out outcome, done, stuck bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var have, open, down, slow int
	for i := range b.votes {
		switch v := &b.votes[i]; {
		case v.state == asked:
			open++
		case v.state == failed:
			down++
			if v.slow {
				slow++
			}
		case v.state == granted && (!b.slots || v.slot == b.slot):
			have++
		}
	}
	// If the server that decides does not answer, the next one does, among those that
	// try only once; one that waits has to go and wait there.
	decider := b.arb
	for i := 0; b.votes[decider].state == failed && i < len(b.votes); i++ {
		decider = i
	}
	q, arb := b.n.e.l.quorum, b.votes[decider].state
	switch {
	case down > len(b.votes)-q && down-slow <= len(b.votes)-q && time.Since(b.begun) < b.n.e.l.opts.Lease/4:
		return 0, false, false // There is no majority without those that are slow.
	case down > len(b.votes)-q:
		return unavailable, true, false
	case arb == refused && decider != b.arb:
		return split, true, false
	case arb == refused:
		return queued, true, false
	case arb == asked:
		return 0, false, false
	case have >= q:
		return won, true, false
	case have+open >= q:
		return 0, false, false
	case arb == failed:
		// Nobody has said whose turn it is, so it is not this one's.
		return split, true, false
	}
	return 0, false, true
}

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

// waits reports whether the attempt at a server is that of the waiter.
func (b *ballot) waits(i int) bool { return i == b.arb && b.w != nil }

// askAll asks every server that is up, or all of them if too few are.
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
			v.state, v.err = failed, x.lastTrouble()
			continue
		}
		if b.waits(i) {
			v.attempt = b.w.attempt
		} else {
			v.attempt = b.n.attempt(b.n.e.sides[i])
		}
	}
	for i := range l.peers {
		if b.votes[i].state == asked {
			b.ask(i)
		}
	}
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

// contended reports whether a server has refused its vote.
func (b *ballot) contended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.votes {
		if b.votes[i].state == refused {
			return true
		}
	}
	return false
}

// has reports whether a server has given its vote.
func (b *ballot) has(i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.votes[i].state == granted
}

// failedAt reports whether there is no answer of a server.
func (b *ballot) failedAt(i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.votes[i].state == failed
}

// slow reports whether the servers that are up may be a majority, but too few of
// them have answered in time.
func (b *ballot) slow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	down := 0
	for i := range b.votes {
		if b.votes[i].state == failed && !b.votes[i].slow {
			down++
		}
	}
	return down <= len(b.votes)-b.n.e.l.quorum
}

// refuser returns a server other than one at which others hold the object, or -1.
func (b *ballot) refuser(other int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.votes {
		if i != other && b.votes[i].state == refused && b.n.e.l.peers[i].up() {
			return i
		}
	}
	return -1
}

// ask sends the request to one server.
func (b *ballot) ask(i int) {
	call := b.send(i)
	b.mu.Lock()
	b.votes[i].call = call
	b.mu.Unlock()
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

// report changes what is known of a vote.
func (b *ballot) report(i int, change func(*ballotVote)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.votes[i])
	b.changed()
}

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

// giveBackLate is giveBack for what arrives by itself. If the waiter has moved on,
// it has taken its attempt back with what it knew. Its caller holds b.mu.
func (b *ballot) giveBackLate(i int) {
	if !b.waits(i) {
		b.takeBack(i)
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
