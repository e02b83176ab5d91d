package lease

import (
	"container/heap"
	"time"
)

// maxBatches bounds the renewals that are under way at once in one group.
//
// A lease that is due when there are so many waits until one of them ends, and then
// leaves with all others that wait: a batch has no bound. One ends within a quarter of
// the term, whatever the server does. So a renewal is sent when a third and a quarter
// of the term have passed, at the latest, and has its answer, or is given up, another
// quarter later: that is before the deadline. A server that answers within that time
// loses no lease, not even one that travels with others that have no answer.
const maxBatches = 4

// A place is where renewals travel together: to one server, so that one that is
// silent holds up no answer of another one, and takes none of its batches. Grants that
// are to be confirmed, and last for half of the term at most, travel apart: a renewal
// may take too long for them that has no answer.
type place struct {
	server any
	short  bool
}

// A group is what is under way, or is to be, at one place. It exists while a batch of
// it is under way, so there are no more than servers that have leases, twice; and no
// more goroutines than maxBatches for each.
type group struct {
	place   place
	batches int      // under way
	next    *batch   // is being filled, while collect is at work
	waiting []*Entry // are due, until one of the batches ends
}

// A batch is the leases that one call renews.
type batch struct {
	group    *group
	attempts []attempt
	limit    time.Duration // after which the call is given up
}

// pick takes a lease that is due into the next batch of its group and returns that if
// it is a new one, or has the lease wait. Where it belongs is found anew each time: a
// lease may have moved to another server since.
func (s *Scheduler) pick(e *Entry, now Moment) *batch {
	at := place{e.holder.Server(), e.term <= s.cfg.Term/2}
	g := s.groups[at]
	if g == nil {
		g = &group{place: at}
		s.groups[at] = g
	}
	if g.batches >= maxBatches {
		e.waits = true
		g.waiting = append(g.waiting, e)
		return nil
	}
	var fresh *batch
	if g.next == nil {
		fresh = &batch{group: g, limit: s.cfg.Term / 4}
		g.next = fresh
	}
	limit := s.limit(e)
	g.next.limit = min(g.next.limit, limit)
	g.next.attempts = append(g.next.attempts, attempt{e, max(0, now.mono.Sub(e.due))})
	e.due = now.mono.Add(max(limit/2, s.pause()))
	return fresh
}

// limit returns how long the renewal of a lease may take; a batch may take what the
// shortest of its leases leaves it. That of a grant must leave time for another one: the
// place of one that has no answer is free again when half of the grant is left, if all
// that travel apart last as long, as those do that are handed over.
func (s *Scheduler) limit(e *Entry) time.Duration { return min(s.cfg.Term/4, e.term/2) }

// begin counts batches that are about to be sent.
func (s *Scheduler) begin(batches []*batch) {
	for _, b := range batches {
		b.group.batches++
		b.group.next = nil
	}
	s.wg.Add(len(batches))
}

// end takes in that a batch of the group is no longer under way. What waits for that is
// due, and is looked at next.
func (s *Scheduler) end(g *group) {
	for _, e := range g.waiting {
		e.waits = false
		if e.index >= 0 {
			heap.Fix(&s.heap, e.index)
		}
	}
	g.waiting = nil
	if g.batches--; g.batches == 0 {
		delete(s.groups, g.place)
	}
}
