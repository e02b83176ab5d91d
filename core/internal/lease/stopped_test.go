package lease_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core/internal/lease"
)

// A stopper does something when it is told of its loss, which is after the
// scheduler has picked what to renew and before it renews that.
type stopper struct {
	*holder
	then func()
}

func (s *stopper) Lost(cause error) {
	s.holder.Lost(cause)
	s.then()
}

// pickedAndThen has a lease be due when another one ends, and something happen
// between its being picked for a renewal and that. It returns the holder of the
// lease, the lease, and the server, which renews all but the lease that ends.
func pickedAndThen(t *testing.T, then func(*lease.Scheduler, *lease.Entry), change func(*lease.Config)) (*holder, *server) {
	t.Helper()
	var s server
	s.answer = func(int) error { return errDown }
	sched := scheduler(t, &s, change)
	h := newHolder()
	var e atomic.Pointer[lease.Entry]
	ends := &stopper{newHolder(), func() {
		s.answer = nil
		s.renewed = nil
		then(sched, e.Load())
	}}
	sched.Add(ends, time.Now(), term)
	time.Sleep(trusted - term/3)
	e.Store(sched.Add(h, time.Now(), term))
	time.Sleep(term / 3)
	synctest.Wait()
	if len(ends.lost) != 1 {
		t.Fatal("the other lease has not ended")
	}
	return h, &s
}

// A process is stopped after it has picked a lease to renew, and goes on when the
// lease has run out: it may be renewed no more, even if the server would.
func TestWhatRanOutWhileTheProcessStoodStillIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slept atomic.Int64
		h, s := pickedAndThen(t, func(*lease.Scheduler, *lease.Entry) { slept.Store(int64(term)) }, func(c *lease.Config) {
			now := func() time.Time { return time.Now().Add(time.Duration(slept.Load())) }
			c.Clock = lease.Clock{Now: now, Wall: now}
		})
		if len(h.lost) != 1 {
			t.Error("its holder slept past the lease, and was not told")
		}
		if len(s.renewed) != 0 {
			t.Error("it was renewed")
		}
		time.Sleep(10 * term)
		synctest.Wait()
		if len(h.lost) > 1 {
			t.Error("it was lost twice")
		}
	})
}

// Nor is a lease that was removed then; the next one is.
func TestWhatWasRemovedBeforeItsRenewalIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := newHolder()
		h, s := pickedAndThen(t, func(sched *lease.Scheduler, e *lease.Entry) {
			sched.Remove(e)
			sched.Add(next, time.Now(), term)
		}, nil)
		time.Sleep(term)
		synctest.Wait()
		if len(h.lost)+len(next.lost) != 0 {
			t.Error("a lease was lost")
		}
		if len(s.who) == 0 || !slices.Equal(s.who[len(s.who)-1], []lease.Holder{next}) {
			t.Fatal("the lease that came next was not renewed alone")
		}
		for _, who := range s.who {
			if slices.Contains(who, lease.Holder(h)) {
				t.Error("a lease was renewed after it was removed")
			}
		}
	})
}
