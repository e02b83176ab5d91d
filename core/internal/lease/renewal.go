package lease

import (
	"container/heap"
	"context"
	"errors"
	"time"

	"github.com/distlock/distlock-go/core"
)

// window is how far ahead of its time a renewal may be sent so that it travels
// with others. It is shorter than any pause between two attempts, so that the
// next one is never taken for due when this one was just sent or has failed.
func (s *Scheduler) window() time.Duration {
	return min(50*time.Millisecond, s.cfg.Term/100)
}

// An attempt is one renewal of one lease, sent late after it was due.
type attempt struct {
	*Entry
	late time.Duration
}

// renew sends one attempt for a batch and takes in the answers.
func (s *Scheduler) renew(b *batch) {
	defer s.wg.Done()
	batch, sent := s.standing(b.attempts)
	holders := make([]Holder, len(batch))
	for i, a := range batch {
		holders[i] = a.holder
	}
	var errs []error
	if len(batch) > 0 {
		ctx, cancel := context.WithTimeout(s.ctx, b.limit)
		errs = s.cfg.Renew(ctx, holders)
		cancel()
	}

	s.mu.Lock()
	for len(errs) < len(batch) {
		errs = append(errs, errNoAnswer)
	}
	var lost []*Entry
	answered := batch[:0]
	for i, a := range batch {
		if a.index < 0 {
			continue // It was removed, or lost, while the request was under way.
		}
		if s.answer(a.Entry, sent, errs[i]); a.gone {
			lost = append(lost, a.Entry)
			continue
		}
		errs[len(answered)] = errs[i]
		answered = append(answered, a)
	}
	s.end(b.group)
	s.signal()
	s.mu.Unlock()

	for _, e := range lost {
		e.holder.Lost(e.cause())
	}
	for i, a := range answered {
		a.holder.Renewed(a.late, errs[i])
	}
}

// standing returns those of a batch that are still to be renewed, and the moment
// from which their renewal counts: before the request, so that a delay shortens the
// lease and never lengthens it.
//
// The process may have been stopped since the batch was picked. What has ended
// meanwhile, or was removed, is not renewed: a server that was late may have kept the
// lease for longer than was asked, and would bring to life what its holder, woken,
// must take for lost, and perhaps has.
func (s *Scheduler) standing(batch []attempt) ([]attempt, Moment) {
	s.mu.Lock()
	now := s.cfg.Clock.Read()
	var lost []*Entry
	kept := batch[:0]
	for _, a := range batch {
		switch {
		case a.index < 0:
		case a.deadline.Passed(now):
			heap.Remove(&s.heap, a.index)
			lost = append(lost, a.Entry)
		default:
			kept = append(kept, a)
		}
	}
	s.mu.Unlock()
	for _, e := range lost {
		e.holder.Lost(e.cause())
	}
	return kept, now
}

// answer takes in what came of an attempt that was sent then.
func (s *Scheduler) answer(e *Entry, sent Moment, err error) {
	switch {
	case err == nil:
		e.prolong(sent, s.cfg.Term)
	case errors.Is(err, core.ErrLost):
		e.lastErr, e.gone = err, true
		heap.Remove(&s.heap, e.index)
		return
	case sent.After(s.cfg.Term).mono.Before(e.deadline.mono):
		// The deadline is counted from what was sent later, and has succeeded.
	default:
		e.lastErr = err
		if again := s.cfg.Clock.Now().Add(s.pause()); again.Before(e.due) {
			e.due = again
		}
	}
	heap.Fix(&s.heap, e.index)
}

// pause is how long to wait after an attempt that failed at once.
func (s *Scheduler) pause() time.Duration {
	return max(s.cfg.Term/50, 10*time.Millisecond)
}
