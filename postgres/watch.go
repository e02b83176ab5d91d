package postgres

import (
	"fmt"
	"sync/atomic"
	"time"
)

// epoch is what clocks count from, on the monotonic clock.
var epoch = time.Now()

// A clock remembers a moment.
type clock struct{ ns atomic.Int64 }

func (c *clock) set()               { c.ns.Store(int64(time.Since(epoch))) }
func (c *clock) ago() time.Duration { return time.Since(epoch) - time.Duration(c.ns.Load()) }
func (c *clock) time() time.Time    { return epoch.Add(time.Duration(c.ns.Load())) }

// watch ends a session that is silent. A server process that is gone closes the
// connection, which the reader sees at once; a network that is cut says nothing.
//
// A holder must stop before the server gives its locks away, which happens
// Options.ServerTimeout after the client was last heard at the earliest. The
// client gives up after ping + answer, which is at most two thirds of that. If
// this goroutine itself did not run for that long, because the machine stood still,
// the server may have given the locks away meanwhile, and they count as lost
// without asking; so does a step of the wall clock, since the monotonic clock
// stands still while a machine is suspended.
func (s *session) watch() {
	timer := time.NewTimer(s.ping)
	defer timer.Stop()
	for {
		before := time.Now()
		select {
		case <-s.lost:
			return
		case <-timer.C:
			now := time.Now()
			still := max(now.Sub(before), now.Round(0).Sub(before.Round(0)))
			if still > s.patience {
				s.end(fmt.Errorf("the process stood still for %v, and the server may have given the locks away", still.Round(time.Millisecond)))
				return
			}
		}
		if s.pool.retire(s) {
			s.close()
			return
		}
		next, err := s.check()
		if err != nil {
			s.end(err)
			return
		}
		timer.Reset(next)
	}
}

// check returns when to check again, or an error if an answer is overdue. If
// nothing was heard for a while, and nothing is under way, it asks.
func (s *session) check() (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return 0, s.cause
	}
	s.sweep()
	if s.cause != nil {
		return 0, s.cause
	}
	if len(s.flight) == 0 {
		if quiet := s.received.ago(); quiet < s.ping || s.writing {
			return max(s.ping-quiet, s.ping/10), nil
		}
		s.send(&batch{}) // A Sync alone: the cheapest thing that is answered.
		s.flush()        // What was added during the write; its answer may have been and gone.
		return min(s.ping, s.answer), nil
	}
	b := s.flight[0]
	heard := b.sent
	if r := s.received.time(); r.After(heard) {
		heard = r
	}
	switch due := time.Until(heard.Add(s.answer + b.allow)); {
	case due > 0:
		return min(due, s.ping), nil
	case !s.overdue.Equal(heard):
		// On a machine that is so busy that this process had no turn, the answer
		// may be there, and the reader has not.
		s.overdue = heard
		return s.answer / 10, nil
	}
	return 0, fmt.Errorf("no answer from the server for %v", (s.answer + b.allow).Round(time.Millisecond))
}
