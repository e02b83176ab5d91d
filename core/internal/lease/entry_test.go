package lease_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core/internal/lease"
)

func TestARenewalIsDueAThirdOfATermAfterTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		sched := scheduler(t, &s, nil)
		sched.Add(newHolder(), time.Now(), term)
		time.Sleep(3*term - time.Second)
		synctest.Wait()
		var want []time.Duration
		for n := range 8 {
			want = append(want, time.Duration(n+1)*(term/3))
		}
		if !slices.Equal(s.renewed, want) {
			t.Errorf("renewals were sent after %v, want %v", s.renewed, want)
		}
	})
}

// A renewal brings the deadline to the end of the longest hold: no other one is sent
// then, and the lease ends there.
func TestNoRenewalIsSentThatCannotHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		sched := scheduler(t, &s, func(c *lease.Config) { c.MaxHold = term })
		h := newHolder()
		sched.Add(h, time.Now(), term)
		cause := h.isLost(t, term)
		if !slices.Equal(s.renewed, []time.Duration{term / 3}) {
			t.Errorf("renewals were sent after %v, want one", s.renewed)
		}
		if !strings.Contains(cause.Error(), term.String()) {
			t.Errorf("the cause is %q, want the longest hold in it", cause)
		}
	})
}

// Who was never answered is told so, and not of an error that there was none.
func TestTheCauseOfALossTellsTheLastFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		sched := scheduler(t, &s, func(c *lease.Config) {
			c.Renew = func(_ context.Context, holders []lease.Holder) []error {
				time.Sleep(10 * term)
				return make([]error, len(holders))
			}
		})
		h := newHolder()
		sched.Add(h, time.Now(), term)
		if cause := h.isLost(t, trusted); errors.Unwrap(cause) != nil || !strings.Contains(cause.Error(), "before it was renewed") {
			t.Errorf("the cause is %q, and nothing was answered", cause)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := server{answer: func(int) error { return errDown }}
		sched := scheduler(t, &s, nil)
		h := newHolder()
		sched.Add(h, time.Now(), term)
		if cause := h.isLost(t, trusted); !errors.Is(cause, errDown) {
			t.Errorf("the cause is %q, want that of the last failure", cause)
		}
	})
}

// After a jump every lease is looked at, also one that is not the next to be renewed.
func TestAJumpEndsWhatIsNotDueYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		var s server
		h, next := newHolder(), newHolder()
		sched := scheduler(t, &s, func(c *lease.Config) {
			c.Clock.Wall = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			c.Renew = func(_ context.Context, holders []lease.Holder) []error {
				if slices.Contains(holders, lease.Holder(h)) {
					time.Sleep(2 * term)
					return nil
				}
				time.Sleep(term / 100) // The next look, for the answer, is later.
				return make([]error, len(holders))
			}
		})
		sched.Add(h, time.Now(), term)
		time.Sleep(term * 3 / 10) // So others are due between two attempts for this one.
		sched.Add(next, time.Now(), term)
		time.Sleep(term / 50)
		sched.Add(newHolder(), time.Now(), term)
		time.Sleep(term*3/10 - term/50)
		ahead.Store(int64(term / 2))
		h.isLost(t, term*3/10+term/3)
		if len(next.lost) != 0 {
			t.Error("a lease that stands was lost with the other")
		}
	})
}

// What a jump of the wall clock ended is out, and what it left is in its place: so
// each can be removed, and nothing else goes with it.
func TestRemovalsAfterAJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		var s server
		s.answer = func(int) error { return errDown }
		sched := scheduler(t, &s, func(c *lease.Config) {
			c.Clock.Wall = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		})
		var ends, stays []*lease.Entry
		var holders []*holder
		for range 4 {
			ends = append(ends, sched.Add(newHolder(), time.Now(), term))
			time.Sleep(time.Second / 4)
		}
		time.Sleep(7 * time.Second)
		for range 6 {
			holders = append(holders, newHolder())
			stays = append(stays, sched.Add(holders[len(holders)-1], time.Now(), term))
			time.Sleep(time.Millisecond)
		}
		ahead.Store(int64(3 * time.Second))
		time.Sleep(time.Second / 2)
		synctest.Wait()
		for _, e := range ends {
			if !sched.Passed(e) {
				t.Fatal("what the jump was to end stands")
			}
			sched.Remove(e)
		}
		s.answer, s.who = nil, nil
		for _, e := range stays[:3] {
			sched.Remove(e)
		}
		time.Sleep(3 * term)
		synctest.Wait()
		seen := map[lease.Holder]bool{}
		for _, who := range s.who {
			for _, h := range who {
				seen[h] = true
			}
		}
		for i, h := range holders {
			if seen[h] != (i >= 3) {
				t.Errorf("lease %d was renewed: %v", i, seen[h])
			}
			if len(h.lost) != 0 {
				t.Errorf("lease %d was lost", i)
			}
		}
	})
}

// A lease that is due before all others wakes the scheduler, which slept for those.
func TestTheFirstToBeDueIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		sched := scheduler(t, &s, nil)
		sched.Add(newHolder(), time.Now(), term)
		time.Sleep(time.Second)
		hasty := newHolder()
		sched.Add(hasty, time.Now(), term/5)
		synctest.Wait()
		if !slices.Equal(s.renewed, []time.Duration{time.Second}) || !slices.Equal(s.who[0], []lease.Holder{hasty}) {
			t.Errorf("renewals were sent after %v, want one for the hasty lease alone", s.renewed)
		}
	})
}

func TestOneGoroutineForManyLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		sched := scheduler(t, &s, nil)
		before := runtime.NumGoroutine()
		for range 100 {
			sched.Add(newHolder(), time.Now(), term)
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 10 { // Others of this process come and go.
			t.Errorf("100 leases have %d goroutines", n)
		}
	})
}

// A jump ends a lease at the next look, whichever lease that look is for: the one
// that has ended may be due later than others that stand.
func TestAJumpIsSeenAtTheNextLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		var s server
		ends, stays := newHolder(), newHolder()
		sched := scheduler(t, &s, func(c *lease.Config) {
			c.Clock.Wall = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			c.Renew = func(_ context.Context, holders []lease.Holder) []error {
				if holders[0] == lease.Holder(ends) {
					time.Sleep(10 * term)
				}
				return []error{errDown}
			}
		})
		sched.Add(ends, time.Now(), term)
		time.Sleep(3 * time.Second)
		sched.Add(stays, time.Now(), term) // It is tried again 200 ms after each failure.
		const due = 3*time.Second + term/3
		time.Sleep(due - 3*time.Second + 300*time.Millisecond)
		ahead.Store(int64(4 * time.Second))
		ends.isLost(t, due+400*time.Millisecond)
	})
}
