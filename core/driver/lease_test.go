package driver

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/internal/lease"
)

func TestDeadlineCountsFromBeforeTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{
			onClaim: func(context.Context) error { time.Sleep(time.Second); return nil },
			onRenew: func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }, // hangs for ever
		}
		start := time.Now()
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		until := f.owners["a"].until
		time.Sleep(trusted - time.Second - 1)
		if err := h.Err(); err != nil {
			t.Errorf("a nanosecond before the deadline Err is %v", err)
		}
		if got := lostAfter(t, h, start); got != trusted {
			t.Errorf("lost %v after the request was sent, want %v", got, trusted)
		}
		if !time.Now().Before(until) {
			t.Error("the server could have granted the lock to another before the client gave up")
		}
	})
}

func TestRenewalsKeepALeaseForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onRenew: func(context.Context, int) error { time.Sleep(50 * time.Millisecond); return nil }}
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		time.Sleep(24 * time.Hour)
		if err := h.Err(); err != nil {
			t.Fatalf("after a day: %v", err)
		}
		// Each is due a third of the term after the one before was sent.
		if n, want := len(f.renewals(time.Now())), int(24*time.Hour/(term/3)); n < want-1 || n > want*102/100 {
			t.Errorf("%d renewals in a day, want about %d", n, want)
		}
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
		n := len(f.renewals(time.Now()))
		time.Sleep(time.Hour)
		if len(f.renewals(time.Now())) != n {
			t.Error("a renewal was sent after the release")
		}
	})
}

func TestAHungRenewalIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onRenew: func(ctx context.Context, n int) error {
			if n == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}}
		start := time.Now()
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		time.Sleep(2 * term)
		if err := h.Err(); err != nil {
			t.Errorf("one hung renewal lost the hold: %v", err)
		}
		at := f.renewals(start)
		if at[0] != term/3 || at[1] != term/3+term/8 {
			t.Errorf("renewals were sent after %v, want the first after %v and another one %v later", at[:2], term/3, term/8)
		}
	})
}

func TestFailingRenewalsLoseAtTheDeadlineAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onRenew: func(context.Context, int) error { return errDown }}
		start := time.Now()
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		if got := lostAfter(t, h, start); got != trusted {
			t.Errorf("lost after %v, want %v", got, trusted)
		}
		if err := h.Err(); !errors.Is(err, errDown) {
			t.Errorf("Err is %v, want the cause of the last failure in it", err)
		}
		if n := len(f.renewals(start)); n < 10 || n > 50 {
			t.Errorf("%d attempts were made, want them about every %v", n, term/50)
		}
	})
}

func TestARenewalAfterFailuresCountsFromItsOwnSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent time.Time
		f := &fake{}
		f.onRenew = func(ctx context.Context, n int) error {
			if n != 5 {
				return errDown
			}
			sent = time.Now()
			time.Sleep(time.Second)
			return nil
		}
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		lostAfter(t, h, time.Now())
		if got := time.Since(sent); got != trusted {
			t.Errorf("lost %v after the last good renewal was sent, want %v", got, trusted)
		}
	})
}

func TestALateSuccessDoesNotReviveALostHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answered := make(chan struct{})
		f := &fake{onRenew: func(ctx context.Context, n int) error {
			if n == 1 {
				time.Sleep(term) // Deaf to ctx, as a driver may be.
				close(answered)
				return nil
			}
			return errDown
		}}
		start := time.Now()
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		if got := lostAfter(t, h, start); got != trusted {
			t.Errorf("lost after %v, want %v", got, trusted)
		}
		<-answered
		synctest.Wait()
		if h.Err() == nil {
			t.Error("the hold came back to life")
		}
		if f.held("a") {
			t.Error("the late renewal keeps a lock that nobody holds")
		}
	})
}

func TestTheServersWordLosesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		start := time.Now()
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		f.mu.Lock()
		delete(f.owners, "a")
		f.mu.Unlock()
		if got := lostAfter(t, h, start); got != term/3 {
			t.Errorf("lost after %v, want at the first renewal, %v", got, term/3)
		}
		if err := h.Release(t.Context()); !errors.Is(err, core.ErrLost) {
			t.Errorf("Release of a lost hold: %v, want ErrLost", err)
		}
	})
}

// A skewed clock is the system's, with a wall clock that a test moves.
type skewed struct{ by atomic.Int64 }

func (s *skewed) clock() lease.Clock {
	return lease.Clock{Now: time.Now, Wall: func() time.Time { return time.Now().Add(time.Duration(s.by.Load())) }}
}

func TestAJumpOfTheWallClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s skewed
		f := &fake{}
		h := acquire(t, f.lock(f.engineAt(t, s.clock(), nil), "a"))
		other := acquire(t, f.lock(f.engine(t, nil), "b"))
		// The machine slept for an hour: the monotonic clock stood still.
		s.by.Store(int64(time.Hour))
		if err := h.Err(); !errors.Is(err, core.ErrLost) {
			t.Errorf("the first look after a suspend says %v, want ErrLost", err)
		}
		select {
		case <-h.Done():
		default:
			t.Error("Done is open after Err had told of the loss")
		}
		if err := other.Err(); err != nil {
			t.Errorf("a provider whose clock did not jump: %v", err)
		}
	})
}

func TestAJumpIsSeenByTheSchedulerToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s skewed
		f := &fake{}
		e := f.engineAt(t, s.clock(), nil)
		start := time.Now()
		h, other := acquire(t, f.lock(e, "a")), acquire(t, f.lock(e, "b"))
		s.by.Store(int64(time.Hour))
		if got := lostAfter(t, h, start); got > term/3 {
			t.Errorf("the loss by a jump was told after %v, want at the next renewal", got)
		}
		lostAfter(t, other, start)
	})
}

func TestAJumpOfTheWallClockBackChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s skewed
		f := &fake{onRenew: func(context.Context, int) error { return errDown }}
		start := time.Now()
		h := acquire(t, f.lock(f.engineAt(t, s.clock(), nil), "a"))
		s.by.Store(-int64(time.Hour))
		if got := lostAfter(t, h, start); got != trusted {
			t.Errorf("lost after %v, want %v by the monotonic clock", got, trusted)
		}
	})
}

func TestTenThousandLeasesTravelTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 10_000
		f := &fake{}
		e := f.engine(t, nil)
		start := time.Now()
		handles := make([]core.Handle, n)
		for i := range handles {
			handles[i] = acquire(t, f.lock(e, strconv.Itoa(i)))
		}
		time.Sleep(term)
		f.mu.Lock()
		rounds := slices.Clone(f.renewed)
		f.mu.Unlock()
		for i, r := range rounds {
			if r.batch != n {
				t.Errorf("round %d carried %d leases, want all %d in one", i, r.batch, n)
			}
		}
		if len(rounds) != 2 && len(rounds) != 3 {
			t.Errorf("%d rounds in one term", len(rounds))
		}
		time.Sleep(10 * term)
		for i, h := range handles {
			if err := h.Err(); err != nil {
				t.Fatalf("lease %d: %v", i, err)
			}
		}
		if since := time.Since(start); since != 11*term {
			t.Errorf("virtual time is off: %v", since)
		}
	})
}

func TestMaxHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		start := time.Now()
		h := acquire(t, f.lock(f.engine(t, func(c *Config) { c.MaxHold = 25 * time.Second }), "a"))
		if got := lostAfter(t, h, start); got != 25*time.Second {
			t.Errorf("lost after %v, want 25s", got)
		}
		if err := h.Err(); !strings.Contains(err.Error(), "25s") {
			t.Errorf("Err is %v, want it to name the longest hold", err)
		}
		synctest.Wait()
		if f.held("a") {
			t.Error("the server keeps the lock")
		}
	})
}

func TestAGrantThatComesTooLateIsRefusedAndGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onClaim: func(context.Context) error { time.Sleep(trusted); return nil }}
		_, err := f.lock(f.engine(t, nil), "a").Acquire(t.Context())
		if !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("Acquire: %v, want ErrUnavailable", err)
		}
		synctest.Wait()
		if f.held("a") {
			t.Error("the grant was not given back")
		}
	})
}

func TestAReleaseDuringARenewalIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onRenew: func(context.Context, int) error { time.Sleep(time.Second); return nil }}
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		time.Sleep(term/3 + time.Second/2) // The renewal is under way.
		if err := h.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(term)
		if f.held("a") {
			t.Error("a renewal brought a released lock back")
		}
		if err := h.Err(); !errors.Is(err, core.ErrReleased) {
			t.Errorf("Err is %v", err)
		}
	})
}

func TestNoRenewalIsSentForWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		e := f.engine(t, nil)
		lost := acquire(t, f.lock(e, "lost"))
		tell := f.owners["lost"].lost
		released := acquire(t, f.lock(e, "released"))
		tell(errDown)
		<-lost.Done()
		released.Release(t.Context())
		time.Sleep(10 * term)
		if at := f.renewals(time.Now()); len(at) != 0 {
			t.Errorf("%d renewals were sent", len(at))
		}
	})
}

func TestAReleaseAfterAJumpIsALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s skewed
		f := &fake{}
		h := acquire(t, f.lock(f.engineAt(t, s.clock(), nil), "a"))
		s.by.Store(int64(time.Hour))
		if err := h.Release(t.Context()); !errors.Is(err, core.ErrLost) {
			t.Errorf("Release: %v, want ErrLost: the lease ran out while the machine slept", err)
		}
	})
}
