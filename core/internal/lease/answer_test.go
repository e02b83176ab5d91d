package lease_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/internal/lease"
)

func TestTheServersWordEndsALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server{answer: func(int) error { return fmt.Errorf("%w: it was broken", core.ErrLost) }}
		sched := scheduler(t, &s, nil)
		h := newHolder()
		sched.Add(h, time.Now(), term)
		if cause := h.isLost(t, term/3); !errors.Is(cause, core.ErrLost) {
			t.Errorf("the cause is %q, want the server's word", cause)
		}
		if !slices.Equal(s.renewed, []time.Duration{term / 3}) {
			t.Errorf("renewals were sent after %v, want one", s.renewed)
		}
	})
}

// After a failure the next attempt follows soon, also when others are due later; and
// after a success nothing that is due earlier waits for the next one.
func TestWhatIsDueNextComesNext(t *testing.T) {
	const soon = 200 * time.Millisecond
	for name, c := range map[string]struct {
		fails bool
		apart time.Duration // of the two leases
		want  []time.Duration
	}{
		"failures":  {true, time.Second / 2, []time.Duration{term / 3, term/3 + soon, term/3 + 2*soon}},
		"successes": {false, 1600 * time.Millisecond, []time.Duration{term / 3, term/3 + 1600*time.Millisecond, 2 * (term / 3)}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var s server
				if c.fails {
					s.answer = func(int) error { return errDown }
				}
				sched := scheduler(t, &s, nil)
				sched.Add(newHolder(), time.Now(), term)
				time.Sleep(c.apart)
				sched.Add(newHolder(), time.Now(), term)
				time.Sleep(term)
				synctest.Wait()
				if len(s.renewed) < 3 || !slices.Equal(s.renewed[:3], c.want) {
					t.Errorf("renewals were sent after %v, want %v first", s.renewed, c.want)
				}
			})
		})
	}
}

// Renewals that hang are not waited for, and there are never many of them.
func TestHungRenewalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		var hung, most atomic.Int64
		sched := scheduler(t, &s, func(c *lease.Config) {
			c.Renew = func(_ context.Context, holders []lease.Holder) []error {
				most.Store(max(most.Load(), hung.Add(1)))
				time.Sleep(10 * term)
				hung.Add(-1)
				return make([]error, len(holders))
			}
		})
		for range 20 {
			sched.Add(newHolder(), time.Now(), term)
			time.Sleep(200 * time.Millisecond)
		}
		time.Sleep(term)
		synctest.Wait()
		if n := most.Load(); n != 4 {
			t.Errorf("%d renewals were under way, want 4", n)
		}
	})
}
