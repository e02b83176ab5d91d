package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/history"
)

// A stay is one seat's time inside.
type stay struct {
	seat   int
	shared bool
	calm   bool  // It began when all was well.
	asked  int64 // when it was asked for, by history.Now
	since  int64 // when its handle last said that it holds; at first, asked
}

// inside is a critical section: mostly a short one, now and then one in which the
// lease must be renewed.
func (w *worker) inside(r *ring, h core.Handle, s stay) {
	a := r.arena
	held := func() bool { return w.held(h, &a.Latest) }
	next := a.Cases.Load()
	a.Enter(s.seat, s.shared, max(r.Limit, 1))
	w.draw(r, h, s.shared, held)
	long := rand.N(time.Millisecond)
	switch rand.IntN(200) {
	case 0:
		long += w.Lease
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
		long = rand.N(20 * time.Millisecond)
	}
	last := time.Now()
	for end := last.Add(long); ; {
		next = a.Answer(s.seat, next, held)
		now := time.Now()
		if w.Lease > 0 && now.Sub(last) > w.Lease {
			w.woken(r, h)
		} else if at := history.Now(); h.Err() == nil {
			s.since = at
		}
		if last = now; !now.Before(end) {
			break
		}
		time.Sleep(50 * time.Microsecond)
	}
	// Who opens a case from here on finds this seat out, or has it answered below.
	a.Leave(s.seat)
	a.Answer(s.seat, next, held)
	a.Holds.Add(1)
	if h.Err() != nil {
		a.Losses.Add(1)
		w.record.Note(history.Op{Object: r.number, Seat: uint64(s.seat), Action: history.Lost, Call: max(s.asked, s.since-int64(w.Bound)), Return: history.Now()})
	}
	w.release(r, h, s)
}

// draw shows the hold's token to the resource, and then to the judge. Permits are
// granted at the same time: the order in which their holders come here is not that
// of their tokens.
func (w *worker) draw(r *ring, h core.Handle, shared bool, held func() bool) {
	if r.Kind == core.KindSemaphore {
		return
	}
	taken := shared || r.arena.Written.Write(h.Token())
	fresh := r.arena.Draw(h.Token(), shared)
	if (!fresh || !taken) && held() {
		r.arena.Behind.Add(1)
	}
}

// held asks a handle whether it holds. One that is about to learn better from its
// server has the bound for it.
func (w *worker) held(h core.Handle, latest *atomic.Uint64) bool {
	if h.Err() != nil {
		return false
	}
	if w.Bound == 0 {
		return true
	}
	start := time.Now()
	select {
	case <-h.Done():
		late(latest, time.Since(start))
		return false
	case <-time.After(w.Bound):
		return true
	}
}

// woken is called by one who has slept for longer than the lease: it writes
// without a thought, and then asks its handle, which must know.
func (w *worker) woken(r *ring, h core.Handle) {
	woke := time.Now()
	r.arena.Stops.Add(1)
	if r.Kind == core.KindLock {
		r.arena.Written.Write(h.Token())
	}
	if h.Err() == nil {
		r.arena.Misled.Add(1)
		return
	}
	<-h.Done()
	late(&r.arena.Latest, time.Since(woke))
}

// late keeps the longest time that it took to be told.
func late(latest *atomic.Uint64, d time.Duration) {
	for {
		seen := latest.Load()
		if uint64(d) <= seen || latest.CompareAndSwap(seen, uint64(d)) {
			return
		}
	}
}

// release gives the hold back. In trouble it may be unknown whether that arrived.
func (w *worker) release(r *ring, h core.Handle, s stay) {
	ticket := w.record.Begin(history.Op{Object: r.number, Seat: uint64(s.seat), Action: history.Release})
	err := h.Release(context.Background())
	w.record.End(ticket, history.OutcomeOf(err), 0)
	switch {
	case err == nil, errors.Is(err, core.ErrLost):
	case errors.Is(err, core.ErrUnavailable) && !s.calm:
		r.arena.Refused.Add(1)
	default:
		r.arena.Fail(fmt.Errorf("release: %w", err))
	}
}
