package redis

import (
	"context"
	"slices"
	"sync"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// rows are the acquires of this process that wait, for each object and mode in the
// order in which they came.
//
// The queue of a server keeps that order too, and that of all processes with it.
// But a waiter loses its place there when the server goes down, it gives it up
// when its votes stay split, and a server that is slow may queue a later one
// first. So whoever wins passes what it has won on to the first of its row, and
// waits on: the votes are those of the process, whichever of its callers asked for
// them. The waiters of one process so are served in order whatever the servers
// do, and those of several for as long as the servers are up.
//
// Readers need no order, since they hold together. Nor do those who are let in
// together by a semaphore of several permits: there what is passed on goes to
// nobody whose turn has come.
type rows struct {
	mu  sync.Mutex
	all map[row][]*stand
}

// A row is what its waiters wait for.
type row struct {
	kind  core.Kind
	name  string
	mode  byte
	limit int
}

// A stand is one of the waiters.
type stand struct {
	came uint64 // grows with each acquire
	stop context.CancelFunc
	gift driver.Claim // what it was passed, or nil
	turn func() bool  // reports whether its turn has come
}

func (e *elector) row() row { return row{e.kind, e.name, e.sides[0].mode, e.limit} }

// enter gives an acquire its stand. The context ends when it is passed something:
// whatever it is doing then is of no use any more.
func (r *rows) enter(ctx context.Context, in row, came uint64, turn func() bool) (context.Context, *stand) {
	ctx, stop := context.WithCancel(ctx)
	s := &stand{came: came, stop: stop, turn: turn}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make(map[row][]*stand)
	}
	at, _ := slices.BinarySearchFunc(r.all[in], came, func(s *stand, came uint64) int {
		if s.came < came {
			return -1
		}
		return 1
	})
	r.all[in] = slices.Insert(r.all[in], at, s)
	return ctx, s
}

// pass gives a hold to the first in the row, if that came before.
func (r *rows) pass(in row, came uint64, claim driver.Claim) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, first := range r.all[in] {
		switch {
		case first.came >= came || in.kind == core.KindRWLock && in.mode == 'r':
			return false
		case in.kind == core.KindSemaphore && in.limit > 1 && first.turn():
			continue
		}
		first.gift = claim
		r.remove(in, first)
		first.stop()
		return true
	}
	return false
}

// passOn gives what an election has won to the first in its row, if that came before
// it. The place was the winner's; the ticket is still the election's, which goes on.
// Its tokens are not: they belong to the hold, which may ask for more votes while
// the election asks for its own.
func (n *election) passOn(came uint64, won driver.Claim) bool {
	if !n.e.l.rows.pass(n.e.row(), came, won) {
		return false
	}
	n.leave()
	n.push = 0
	n.series = n.e.l.series()
	return true
}

// leave gives a stand up, and returns what it was passed until then. Nothing is
// passed to it after that.
func (r *rows) leave(in row, s *stand) driver.Claim {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remove(in, s)
	s.stop()
	return s.gift
}

// remove takes a stand out. Its caller holds r.mu.
func (r *rows) remove(in row, s *stand) {
	rest := r.all[in]
	if at := slices.Index(rest, s); at >= 0 {
		rest = slices.Delete(rest, at, at+1)
	}
	if r.all[in] = rest; len(rest) == 0 {
		delete(r.all, in)
	}
}
