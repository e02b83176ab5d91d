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
// this one's turn: what the last holder has released is on its way to them.
func (b *ballot) run(ctx context.Context, patience time.Duration) outcome {
	b.begun = time.Now()
	b.askAll()
	pause := time.Duration(0)
	var until time.Time // of asking again
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	limit := time.NewTimer(b.n.e.l.longest())
	defer limit.Stop()
	again := false
	for {
		out, done, stuck := b.count()
		switch {
		case done && out == unavailable && b.askRest():
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

// longest returns for how long a round waits for servers that are slow. What is left
// of the lease then must still be worth a hold; see [ballot.claim].
func (l *RedLock) longest() time.Duration { return l.opts.Lease * 3 / 8 }

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
	case down > len(b.votes)-q && down-slow <= len(b.votes)-q && time.Since(b.begun) < b.n.e.l.longest():
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
