package lease_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core/internal/lease"
)

const term = 10 * time.Second

// trusted is for how much of a term the client believes in it.
const trusted = term - term/100 - 2*time.Millisecond

var errDown = errors.New("connection refused")

// A holder remembers what it was told.
type holder struct {
	start time.Time
	lost  chan error // has room for two
	after time.Duration
}

func newHolder() *holder { return &holder{start: time.Now(), lost: make(chan error, 2)} }

func (h *holder) Lost(cause error) {
	h.after = time.Since(h.start)
	h.lost <- cause
}

func (h *holder) Renewed(time.Duration, error) {}

func (h *holder) Server() any { return nil }

// isLost waits for the loss, which must come once, and returns its cause.
func (h *holder) isLost(t *testing.T, after time.Duration) error {
	t.Helper()
	cause := <-h.lost
	if h.after != after {
		t.Errorf("lost after %v, want %v", h.after, after)
	}
	time.Sleep(10 * term)
	synctest.Wait()
	if len(h.lost) != 0 {
		t.Error("lost twice")
	}
	return cause
}

// A server answers renewals, and remembers whose they were and when.
type server struct {
	start   time.Time
	answer  func(attempt int) error
	renewed []time.Duration
	who     [][]lease.Holder
}

func (s *server) renew(_ context.Context, holders []lease.Holder) []error {
	s.renewed = append(s.renewed, time.Since(s.start))
	s.who = append(s.who, slices.Clone(holders))
	errs := make([]error, len(holders))
	if s.answer != nil {
		for i := range errs {
			errs[i] = s.answer(len(s.renewed))
		}
	}
	return errs
}

func scheduler(t *testing.T, s *server, change func(*lease.Config)) *lease.Scheduler {
	t.Helper()
	s.start = time.Now()
	cfg := lease.Config{Term: term, Clock: lease.System(), Renew: s.renew}
	if change != nil {
		change(&cfg)
	}
	sched := lease.NewScheduler(cfg)
	t.Cleanup(sched.Close)
	return sched
}

func TestAShortTermIsRenewedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		sched := scheduler(t, &s, nil)
		e := sched.Add(newHolder(), time.Now(), term/5) // A grant that must be confirmed.
		synctest.Wait()
		if !slices.Equal(s.renewed, []time.Duration{0}) {
			t.Fatalf("renewals were sent after %v, want one at once", s.renewed)
		}
		if until := sched.Until(e).Sub(s.start); until != trusted {
			t.Errorf("after the renewal the deadline is %v away, want %v", until, trusted)
		}
	})
}

func TestAMaxHoldWithinTheFirstTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		sched := scheduler(t, &s, func(c *lease.Config) { c.MaxHold = term / 10 })
		h := newHolder()
		sched.Add(h, time.Now(), term)
		if cause := h.isLost(t, term/10); !strings.Contains(cause.Error(), (term / 10).String()) {
			t.Errorf("the cause is %q, want the longest hold in it", cause)
		}
		if len(s.renewed) != 0 {
			t.Errorf("%d renewals were sent although none could help", len(s.renewed))
		}
	})
}

func TestAMaxHoldCountsOnTheWallClockToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		var s server
		sched := scheduler(t, &s, func(c *lease.Config) {
			c.MaxHold = time.Hour
			c.Clock.Wall = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		})
		h := newHolder()
		e := sched.Add(h, time.Now(), term)
		time.Sleep(59*time.Minute + 55*time.Second) // The deadline is now that of MaxHold.
		if sched.Passed(e) {
			t.Fatal("lost before its time")
		}
		ahead.Store(int64(5 * time.Second))
		if !sched.Passed(e) {
			t.Error("an hour has passed on the wall clock, and the lease stands")
		}
	})
}

func TestAJumpEndsOnlyWhatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		var s server
		s.answer = func(int) error {
			if time.Since(s.start) < 8*time.Second {
				return errDown
			}
			return nil
		}
		sched := scheduler(t, &s, func(c *lease.Config) {
			c.Clock.Wall = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		})
		var early, late []*holder
		var entries []*lease.Entry
		for range 5 {
			early = append(early, newHolder())
			sched.Add(early[len(early)-1], time.Now(), term)
		}
		time.Sleep(8*time.Second - 1)
		for range 5 {
			late = append(late, newHolder())
			entries = append(entries, sched.Add(late[len(late)-1], time.Now(), term))
		}
		ahead.Store(int64(2 * time.Second)) // It is 10 s now, past the deadline of the first five.
		time.Sleep(time.Second)             // The scheduler has looked.
		synctest.Wait()
		for _, h := range early {
			if len(h.lost) != 1 {
				t.Fatal("a lease that has ended by the wall clock was not lost")
			}
		}
		for i, h := range late {
			if len(h.lost) != 0 || sched.Passed(entries[i]) {
				t.Fatal("a lease that stands was lost with the others")
			}
		}
		time.Sleep(10 * term)
		for i, h := range late {
			if len(h.lost) != 0 || sched.Passed(entries[i]) {
				t.Fatal("a lease was not renewed after the jump")
			}
		}
		if last := s.who[len(s.who)-1]; len(last) != 5 {
			t.Errorf("the last renewal was for %d leases, want the 5 that are left", len(last))
		}
	})
}

func TestAnHeirTakesTheLeaseOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		sched := scheduler(t, &s, nil)
		h, heir := newHolder(), newHolder()
		e := sched.Add(h, time.Now(), term)
		time.Sleep(time.Second)
		inherited := sched.Inherit(heir, e)
		if until := sched.Until(inherited).Sub(s.start); until != trusted {
			t.Errorf("the heir's deadline is %v after the grant, want what was left of it: %v", until, trusted)
		}
		time.Sleep(10 * term)
		synctest.Wait()
		if len(s.who) == 0 {
			t.Error("the heir's lease was not renewed")
		}
		for i, who := range s.who {
			if !slices.Equal(who, []lease.Holder{heir}) {
				t.Fatalf("renewal %d was for %d holders, want the heir alone", i, len(who))
			}
		}
		if len(h.lost)+len(heir.lost) != 0 {
			t.Error("a lease that was passed on was lost")
		}
		sched.Remove(inherited)
		if late := newHolder(); true {
			sched.Inherit(late, inherited)
			if len(late.lost) != 1 {
				t.Error("the heir of a lease that was over was not told")
			}
		}
	})
}

func TestASuccessForgetsEarlierFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server{answer: func(attempt int) error {
			if attempt == 1 {
				return errDown
			}
			return nil
		}}
		sched := scheduler(t, &s, nil)
		e := sched.Add(newHolder(), time.Now(), term)
		time.Sleep(term)
		if err := sched.Cause(e); errors.Is(err, errDown) {
			t.Errorf("the cause would be %q, which has been overcome", err)
		}
	})
}

func TestCloseEndsTheCare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		sched := scheduler(t, &s, nil)
		sched.Add(newHolder(), time.Now(), term)
		synctest.Wait() // It sleeps until the lease is due.
		sched.Close()
		if took := time.Since(s.start); took != 0 {
			t.Errorf("Close took %v", took)
		}
		time.Sleep(10 * term)
		if len(s.renewed) != 0 {
			t.Errorf("%d renewals were sent after Close", len(s.renewed))
		}
		late := newHolder()
		sched.Add(late, time.Now(), term)
		if len(late.lost) != 1 {
			t.Error("a lease that was added after Close was not lost at once")
		}
	})
}
