package redis

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// A ballot is one round of an election: all servers are asked at the same time,
// and the one at which the caller waits also for a place in its queue.
//
// A ballot goes on by itself when its caller has the outcome: a vote that comes
// after that joins the hold, or is given back.
type ballot struct {
	n        *election
	w        *waiter   // whose attempt it is that goes to arb, or nil
	requests *requests // for that attempt
	arb      int       // the server that decides between those who ask at the same time
	fence    uint64
	slots    bool
	news     chan struct{} // of capacity 1
	begun    time.Time

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
	spared  bool // it was not asked, because it was down
	had     bool // it was granted, be it that it was asked for again since
	slow    bool // it has failed so far because there is no answer yet
	undo    undo // of the attempt
}

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

// A ballotState says what a ballot without an outcome waits for.
type ballotState int

const (
	awaiting ballotState = iota // for answers
	doubtful                    // for answers, though of some that have refused a vote is enough
	stuck                       // for votes that others hold although it is this one's turn
	decided                     // for nothing: it has an outcome
)

// ballot begins a round.
func (n *election) ballot() *ballot {
	l := n.e.l
	b := &ballot{n: n, arb: n.place, news: make(chan struct{}, 1), votes: make([]ballotVote, len(l.peers)), slots: n.e.sides[0].slotted()}
	if b.arb < 0 {
		b.arb = l.arbiter()
	}
	b.w, b.requests = n.w, n.asked
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

// run asks, and asks again for up to patience those that others hold while it is
// this one's turn: what the last holder has released is on its way to them. It does
// not wait with that for a server that says nothing, which may be down. If there is no
// majority without one that says nothing, those that were spared are asked too: one of
// them may be up again.
func (b *ballot) run(ctx context.Context, patience time.Duration) outcome {
	b.begun = time.Now()
	b.askAll()
	pause := time.Duration(0)
	var until time.Time // of asking again
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	limit := time.NewTimer(b.n.e.l.longest())
	defer limit.Stop()
	again := awaiting
	for {
		out, state := b.count()
		switch {
		case (state == awaiting || out == unavailable) && b.askRest():
		case state == decided:
			b.finish(out)
			return out
		case state == stuck && until.IsZero():
			until = time.Now().Add(patience)
			continue
		case state == stuck && time.Now().After(until):
			b.finish(split)
			return split
		case state == doubtful && again < doubtful:
			again = doubtful
			timer.Reset(b.next(pause))
		case state == stuck && again < stuck:
			again = stuck
			timer.Reset(pause)
		}
		select {
		case <-b.news:
		case <-limit.C:
		case <-timer.C:
			again, pause = awaiting, b.next(pause)
			b.askRefusers()
		case <-ctx.Done():
			b.finish(ended)
			return ended
		}
	}
}

// next returns the pause before those who refused are asked again after one of last.
func (b *ballot) next(last time.Duration) time.Duration {
	return min(2*last+b.n.e.l.peers[b.arb].shortly(), 50*time.Millisecond)
}

// longest returns for how long a round waits for servers that are slow. What is left
// of the lease then must still be worth a hold; see [ballot.claim].
func (l *RedLock) longest() time.Duration { return l.opts.Lease * 3 / 8 }

// count returns the outcome, or what is missing to one.
func (b *ballot) count() (outcome, ballotState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var have, asking, no, down, slow int
	for i := range b.votes {
		switch v := &b.votes[i]; {
		case v.state == asked:
			asking++
		case v.state == failed:
			down++
			if v.slow {
				slow++
			}
		case v.state == granted && (!b.slots || v.slot == b.slot):
			have++
		default:
			no++
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
	case down > len(b.votes)-q && down-slow <= len(b.votes)-q && time.Since(b.begun) < b.n.e.l.longest():
		return 0, awaiting // There is no majority without those that are slow.
	case down > len(b.votes)-q:
		return unavailable, decided
	case arb == refused && decider != b.arb:
		return split, decided
	case arb == refused:
		return queued, decided
	case arb == asked:
		return 0, awaiting
	case have >= q:
		return won, decided
	case have+asking >= q && arb == granted && have+no >= q:
		return 0, doubtful
	case have+asking >= q:
		return 0, awaiting
	case arb == failed:
		// Nobody has said whose turn it is, so it is not this one's.
		return split, decided
	}
	return 0, stuck
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

// rival returns whose votes a majority of the servers has told to be in the way,
// and "" if those are of several: then nobody need be a holder.
func (b *ballot) rival() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	votes := make(map[string]int)
	for i := range b.votes {
		if v := &b.votes[i]; v.state == refused && v.answer.holder != "" {
			one := acquireOf(v.answer.holder)
			if votes[one]++; votes[one] >= b.n.e.l.quorum {
				return one
			}
		}
	}
	return ""
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

// waits reports whether the attempt at a server is that of the waiter.
func (b *ballot) waits(i int) bool { return i == b.arb && b.w != nil }
