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

// A teller remembers what it was told of renewals.
type teller struct {
	*holder
	told chan error
}

func newTeller() teller { return teller{newHolder(), make(chan error, 100)} }

func (t teller) Renewed(_ time.Duration, err error) { t.told <- err }

// Of a batch each holder hears of its own renewal, whatever became of the others.
func TestEachHearsOfItsOwnRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var removed *lease.Entry
		var sched *lease.Scheduler
		all := []teller{newTeller(), newTeller(), newTeller(), newTeller()} // is removed, is lost, fails, succeeds
		answers := map[lease.Holder]error{all[1]: core.ErrLost, all[2]: errDown}
		var s server
		sched = scheduler(t, &s, func(c *lease.Config) {
			c.Renew = func(_ context.Context, holders []lease.Holder) (errs []error) {
				sched.Remove(removed)
				for _, h := range holders {
					errs = append(errs, answers[h])
				}
				return errs
			}
		})
		for i, h := range all {
			if e := sched.Add(h, time.Now(), term); i == 0 {
				removed = e
			}
		}
		time.Sleep(term/3 + 1)
		synctest.Wait()
		for i, want := range []int{0, 0, 1, 1} {
			if len(all[i].told) != want || len(all[i].lost) != 1-want && i == 1 || i == 0 && len(all[i].lost) != 0 {
				t.Errorf("holder %d was told %d times of a renewal, and %d times of a loss", i, len(all[i].told), len(all[i].lost))
			}
		}
		if err := <-all[2].told; !errors.Is(err, errDown) {
			t.Errorf("the one whose renewal failed was told %v", err)
		}
		if err := <-all[3].told; err != nil {
			t.Errorf("the one whose renewal succeeded was told %v", err)
		}
	})
}

func TestNoAnswerIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		h := newTeller()
		sched := scheduler(t, &s, func(c *lease.Config) {
			c.Renew = func(context.Context, []lease.Holder) []error { return nil }
		})
		sched.Add(h, time.Now(), term)
		if cause := h.isLost(t, trusted); errors.Unwrap(cause) == nil {
			t.Errorf("the cause is %q, and not that there was no answer", cause)
		}
		if err := <-h.told; err == nil {
			t.Error("a renewal without an answer was told as a success")
		}
	})
}

// A scheduler that has had nothing to do for long takes up work again.
func TestASchedulerWakesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		var renewals atomic.Int64
		sched := scheduler(t, &s, func(c *lease.Config) {
			c.Renew = func(_ context.Context, holders []lease.Holder) []error {
				renewals.Add(1)
				return make([]error, len(holders))
			}
		})
		for range 3 {
			h := newHolder()
			e := sched.Add(h, time.Now(), term)
			before := renewals.Load()
			time.Sleep(term)
			synctest.Wait()
			if renewals.Load() == before || len(h.lost) != 0 {
				t.Fatal("a lease was not renewed after a rest")
			}
			sched.Remove(e)
			time.Sleep(2 * term)
			synctest.Wait()
		}
	})
}

func TestCloseWaitsForRenewalsAndForNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s server
		var over atomic.Bool
		sched := scheduler(t, &s, func(c *lease.Config) {
			c.Renew = func(ctx context.Context, holders []lease.Holder) []error {
				<-ctx.Done()
				time.Sleep(time.Millisecond)
				over.Store(true)
				return make([]error, len(holders))
			}
		})
		sched.Add(newHolder(), time.Now(), term)
		time.Sleep(term/3 + time.Millisecond)
		synctest.Wait()
		began := time.Now()
		sched.Close()
		if !over.Load() {
			t.Error("a renewal is under way after Close")
		}
		if took := time.Since(began); took != time.Millisecond {
			t.Errorf("Close took %v, and the renewal 1ms", took)
		}
	})
}
