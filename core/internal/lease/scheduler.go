// Package lease keeps the leases of one provider alive: one scheduler, one
// timer and a bounded number of goroutines for any number of leases.
package lease

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// A Holder is what a lease is for.
type Holder interface {
	// Lost is called once, without any mutex held, when the lease has ended
	// otherwise than by Remove.
	Lost(cause error)

	// Renewed tells of a renewal: nil and how late after it was due it was sent,
	// or why an attempt failed.
	Renewed(late time.Duration, err error)

	// Server tells which server has the lease now: any value that can be compared, nil
	// if there is only one. It is called with the scheduler's mutex held.
	Server() any
}

// Config says how a Scheduler works.
type Config struct {
	Term    time.Duration // of a renewed lease
	MaxHold time.Duration // after which a lease is renewed no more; 0: never
	Clock   Clock

	// Renew prolongs the leases of the holders by Term, and returns an error for
	// each. All have the same server. It must return when ctx ends.
	Renew func(ctx context.Context, holders []Holder) []error
}

// A Scheduler renews leases when a third of their term has passed, and ends
// those whose deadline passes. A lease leaves it by Remove, by the server's word
// that it is lost, or by its deadline; no error makes it forget one.
//
// A renewal that does not answer is not waited for: after an eighth of the term, or a
// quarter of a grant that is shorter, another one is sent, and again, until the
// deadline. Whichever answers first prolongs the lease, counted from the time before
// that attempt was sent.
type Scheduler struct {
	cfg Config

	mu      sync.Mutex
	heap    entries
	running bool          // run is at work
	until   time.Time     // when run looks again, unless it is woken
	wake    chan struct{} // of capacity 1: the heap's top has changed
	groups  map[place]*group
	seen    Moment // when run last looked at the clocks
	wg      sync.WaitGroup
	ctx     context.Context // ends with Close
	stop    context.CancelFunc
}

// NewScheduler returns a scheduler without leases. It owns no goroutine until
// one is added, and none a third of a term after the last one has left: to wake
// it for that would cost a short hold more than all the rest.
func NewScheduler(cfg Config) *Scheduler {
	s := &Scheduler{cfg: cfg, wake: make(chan struct{}, 1), groups: make(map[place]*group)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Add starts to renew a lease that the server counts for term from the time
// that from told, which must carry a monotonic reading. If it has ended already
// the holder hears so before Add returns.
func (s *Scheduler) Add(holder Holder, from time.Time, term time.Duration) *Entry {
	start := s.cfg.Clock.At(from)
	e := &Entry{holder: holder, deadline: start.After(term), term: term, index: -1}
	e.due = from.Add(term / 3)
	if term < s.cfg.Term {
		e.due = from
	}
	if s.cfg.MaxHold > 0 {
		e.maxHold = s.cfg.MaxHold
		e.end = Deadline{mono: start.mono.Add(s.cfg.MaxHold), wall: start.wall.Add(s.cfg.MaxHold)}
		e.limit()
	}
	s.push(e)
	return e
}

// Inherit is Add for a lease that takes over what is left of another one, which
// it removes. If that had been lost already, the heir is told so.
func (s *Scheduler) Inherit(holder Holder, from *Entry) *Entry {
	s.mu.Lock()
	e := new(Entry)
	*e = *from
	e.holder, e.index, e.waits = holder, -1, false
	over := from.index < 0
	s.removeLocked(from)
	s.mu.Unlock()
	if over {
		holder.Lost(e.cause())
		return e
	}
	s.push(e)
	return e
}

func (s *Scheduler) push(e *Entry) {
	now := s.cfg.Clock.Read()
	s.mu.Lock()
	if s.ctx.Err() != nil || e.deadline.Passed(now) {
		s.mu.Unlock()
		e.holder.Lost(e.cause())
		return
	}
	heap.Push(&s.heap, e)
	first := e.index == 0
	if !s.running {
		s.running = true
		s.seen = now
		s.wg.Add(1)
		go s.run()
	} else if first && e.at().Before(s.until) {
		s.signal()
	}
	s.mu.Unlock()
}

// Remove ends the care for a lease. Once it has returned no renewal of it will
// be sent, and the holder will not be called for it, except by a call that is
// under way.
func (s *Scheduler) Remove(e *Entry) {
	s.mu.Lock()
	s.removeLocked(e)
	s.mu.Unlock()
}

func (s *Scheduler) removeLocked(e *Entry) {
	if e.index >= 0 {
		heap.Remove(&s.heap, e.index)
	}
}

// Passed reports whether the deadline of e has come, by the clocks alone.
func (s *Scheduler) Passed(e *Entry) bool {
	now := s.cfg.Clock.Read()
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.deadline.Passed(now)
}

// Until returns the deadline of e on the monotonic clock.
func (s *Scheduler) Until(e *Entry) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.deadline.mono
}

// Cause returns why a lease whose deadline has passed could not be renewed.
func (s *Scheduler) Cause(e *Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.cause()
}

// Close stops everything and waits for it. The leases are left to lapse: their
// owners must have removed them.
func (s *Scheduler) Close() {
	s.mu.Lock()
	s.stop()
	s.signal()
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *Scheduler) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run sleeps until the next lease is due or ends, deals with all that are, and
// returns when none is left.
func (s *Scheduler) run() {
	defer s.wg.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s.mu.Lock()
		if len(s.heap) == 0 || s.ctx.Err() != nil {
			s.running = false
			s.mu.Unlock()
			return
		}
		lost, due := s.collect()
		next := s.next()
		s.until = s.cfg.Clock.Now().Add(next)
		s.mu.Unlock()

		for _, e := range lost {
			e.holder.Lost(e.cause())
		}
		for _, b := range due {
			go s.renew(b)
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-s.wake:
		}
	}
}

// collect takes out the leases that have ended, and picks those to be renewed
// now. Each gets a time for its next attempt, in case this one does not answer.
func (s *Scheduler) collect() (lost []*Entry, due []*batch) {
	now := s.cfg.Clock.Read()
	if s.jumped(now) {
		lost = s.heap.takePassed(now)
	}
	for len(s.heap) > 0 {
		e := s.heap[0]
		switch {
		case e.deadline.Passed(now):
			heap.Pop(&s.heap)
			lost = append(lost, e)
			continue
		case e.final || e.waits || e.due.After(now.mono.Add(s.window())):
			// The first in the heap has nothing to do, so none has.
		default:
			if b := s.pick(e, now); b != nil {
				due = append(due, b)
			}
			heap.Fix(&s.heap, 0)
			continue
		}
		break
	}
	s.begin(due)
	return lost, due
}

// jumped reports whether the wall clock went ahead of the monotonic one since
// the last look: it was set, or the machine was suspended. The heap is in order
// of the monotonic clock, so only then must every lease be looked at.
func (s *Scheduler) jumped(now Moment) bool {
	ahead := now.wall.Sub(s.seen.wall) - now.mono.Sub(s.seen.mono)
	s.seen = now
	return ahead > time.Millisecond
}

// next returns how long run may sleep.
func (s *Scheduler) next() time.Duration {
	if len(s.heap) == 0 {
		return 0
	}
	return s.heap[0].at().Sub(s.cfg.Clock.Now())
}
