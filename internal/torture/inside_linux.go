package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/history"
	"github.com/distlock/distlock-go/internal/judge"
)

// A stay is one seat's time inside.
type stay struct {
	*ring
	h      core.Handle
	seat   int
	shared bool
	calm   bool   // It began when all was well.
	wrote  bool   // It has written to the resource.
	ended  bool   // It was waited for until the patience was over.
	asked  int64  // when it was asked for, by history.Now
	told   moment // when its handle's Done told that it has ended, after heard
	heard  sync.WaitGroup
	since  int64 // when its handle last said that it holds; 0: it never has
}

// span is how long a critical section takes: mostly shorter than a message, now
// and then so long that somebody can be met inside, or that the lease must be
// renewed.
func (w *worker) span() time.Duration {
	switch n := rand.IntN(100); {
	case n == 0:
		return max(w.Lease, w.Bound) + rand.N(20*time.Millisecond)
	case n <= 20:
		return rand.N(20 * time.Millisecond)
	default:
		return rand.N(time.Millisecond)
	}
}

// inside is a critical section.
func (w *worker) inside(s *stay) {
	a := s.arena
	held := func() bool { return w.held(s) }
	s.heard.Go(func() {
		<-s.h.Done()
		s.told = w.pulse.now()
	})
	defer s.heard.Wait()
	told := s.h.Done()
	last := history.Now()
	next := a.Cases.Load()
	a.Enter(s.seat, s.shared, max(s.Limit, 1))
	w.draw(s, held)
	for end := history.Now() + int64(w.span()); ; {
		next = a.Answer(s.seat, next, held)
		now := history.Now()
		if woke := w.master().Woke[s.seat].Load(); w.Lease > 0 && woke > last {
			w.woken(s, woke)
		} else if s.h.Err() == nil {
			s.since = now
			w.record.Assure(uint64(s.seat), now-int64(w.bound()))
			w.vouch(s)
		}
		if last = now; now >= end {
			break
		}
		select {
		case <-told:
			told = nil
		case <-time.After(50 * time.Microsecond):
		}
	}
	// Who opens a case from here on finds this seat out, or has it answered below.
	a.Leave(s.seat)
	a.Answer(s.seat, next, held)
	a.Holds.Add(1)
	if s.h.Err() != nil {
		w.write(s, s.late)
	}
	w.release(s)
}

// draw shows the hold's token to the resource, and then to the judge. Permits are
// granted at the same time: the order in which their holders come here is not that
// of their tokens.
func (w *worker) draw(s *stay, held func() bool) {
	if !s.ordered() {
		return
	}
	s.wrote = w.write(s, s.arena.Written.Write)
	fresh := s.arena.Draw(s.h.Token(), s.shared)
	if (!fresh || !s.wrote && !s.shared) && held() {
		s.arena.Behind.Add(1)
	}
}

// write writes to the resource by that function, and writes that down. Readers do
// not write, nor does who holds a permit among others.
func (w *worker) write(s *stay, by func(token uint64) bool) bool {
	if s.shared || !s.ordered() {
		return false
	}
	ticket := w.record.Begin(history.Op{
		Object: s.number + len(w.rings), Seat: uint64(s.seat), Action: history.Write, Token: s.h.Token(),
	})
	if by(s.h.Token()) {
		w.record.End(ticket, history.OK, 0)
		return true
	}
	w.record.End(ticket, history.Refused, 0)
	return false
}

// late is a write by one who has lost its hold, or does not know that it has not.
func (s *stay) late(token uint64) bool {
	if s.since == 0 {
		return s.arena.Written.Write(token) // It is not known when it held.
	}
	return s.arena.Written.WriteLate(token, s.since)
}

// vouch tells the judge of the resource that the one who wrote holds still, if
// the handle's word can be relied on as it is.
func (w *worker) vouch(s *stay) {
	if s.wrote && w.bound() == w.Bound {
		s.arena.Written.Vouch(s.since - int64(w.Bound))
	}
}

// bound is how long a handle has to tell of a loss that comes from the server's
// side: where a hold is a session, the time that the news takes; where it is a
// lease none, unless the server's clock was set and leases have ended early. Then
// the next renewal must tell, and there is one in each third of a lease.
func (w *worker) bound() time.Duration {
	if w.Lease > 0 && history.Now()-w.master().Excused.Load() < int64(2*w.Lease) {
		return w.Lease
	}
	return w.Bound
}

// held asks a handle whether it holds. One that is about to learn better from its
// server has the bound for it, in which the process must be awake.
func (w *worker) held(s *stay) bool {
	const slice = 5 * time.Millisecond
	bound, start := w.bound(), w.pulse.now()
	for n := bound / slice; s.h.Err() == nil; n-- {
		if n <= 0 {
			return true
		}
		select {
		case <-s.h.Done():
		case <-time.After(slice):
		}
	}
	awake := w.pulse.now().since(start)
	judge.Raise(&s.arena.Latest, awake)
	judge.Raise(&s.arena.Beyond, awake-int64(bound))
	return false
}

// woken is called by one who was stopped for longer than the lease, and has been
// woken: it writes without a thought, and then asks its handle, which must know.
func (w *worker) woken(s *stay, woke int64) {
	a := s.arena
	a.Stops.Add(1)
	w.write(s, s.late)
	if s.h.Err() == nil {
		a.Misled.Add(1)
		return
	}
	s.heard.Wait()
	judge.Raise(&a.Woken, s.told.at-woke)
	if ran := w.pulse.woken(); ran.at > woke {
		judge.Raise(&a.Waking, s.told.since(ran))
	}
}

// refused takes in that the backend could not do something.
func (s *stay) refused(err error) {
	s.arena.Refused.Add(1)
	if s.calm {
		s.arena.Shied.Add(err)
	}
}

// release gives the hold back. In trouble it may be unknown whether that arrived.
func (w *worker) release(s *stay) {
	ticket := w.record.Begin(history.Op{Object: s.number, Seat: uint64(s.seat), Action: history.Release})
	err := s.h.Release(context.Background())
	w.record.End(ticket, history.OutcomeOf(err), 0)
	if errors.Is(err, core.ErrLost) {
		s.arena.Losses.Add(1)
		// The hold was the seat's when its handle last said so, but for the bound.
		w.record.Note(history.Op{
			Object: s.number, Seat: uint64(s.seat), Action: history.Lost,
			Call: max(s.asked, s.since-int64(w.bound())), Return: history.Now(),
		})
	}
	switch {
	case err == nil, errors.Is(err, core.ErrLost):
	case errors.Is(err, core.ErrUnavailable):
		s.refused(err)
	default:
		s.arena.Failed.Add(fmt.Errorf("release: %w", err))
	}
}
