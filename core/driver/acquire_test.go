package driver

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
)

func TestBadArguments(t *testing.T) {
	f := &fake{onClaim: func(context.Context) error { t.Error("the backend was asked"); return nil }}
	e := f.engine(t, nil)
	for what, l := range map[string]core.Lock{
		"empty name":      f.lock(e, ""),
		"long name":       f.lock(e, strings.Repeat("x", MaxName+1)),
		"not UTF-8":       f.lock(e, "a\xff"),
		"limit 0":         e.NewSemaphore("s", 0, fakeClaimer{f, "s"}),
		"limit -1":        e.NewSemaphore("s", -1, fakeClaimer{f, "s"}),
		"reader, no name": core.Reader(e.NewRWLock("", fakeClaimer{f, ""}, fakeClaimer{f, ""})),
	} {
		for _, acquire := range []func(context.Context) (core.Handle, error){l.Acquire, l.TryAcquire} {
			h, err := acquire(t.Context())
			var typed *core.Error
			if h != nil || !errors.Is(err, core.ErrInvalid) || !errors.As(err, &typed) {
				t.Errorf("%s: %v, %v; want an *Error that matches ErrInvalid", what, h, err)
			}
		}
	}
}

func TestArgumentsThatAreJustGoodEnough(t *testing.T) {
	f := &fake{}
	e := f.engine(t, nil)
	for _, l := range []core.Lock{
		f.lock(e, "x"),
		f.lock(e, strings.Repeat("x", MaxName)),
		e.NewSemaphore("s", 1, fakeClaimer{f, "s"}),
	} {
		acquire(t, l)
	}
	if _, err := e.NewSemaphore("", 0, fakeClaimer{f, ""}).Acquire(t.Context()); !strings.Contains(err.Error(), "name") {
		t.Errorf("%v, want the name to be complained of first", err)
	}
}

func TestBadConfig(t *testing.T) {
	good := Config{Backend: "fake", Lease: term, Renewer: &fake{}}
	for what, change := range map[string]func(*Config){
		"no backend":         func(c *Config) { c.Backend = "" },
		"negative lease":     func(c *Config) { c.Lease = -1 },
		"short lease":        func(c *Config) { c.Lease = MinLease - 1 },
		"no renewer":         func(c *Config) { c.Renewer = nil },
		"negative hold":      func(c *Config) { c.MaxHold = -1 },
		"hold, no lease":     func(c *Config) { c.Lease, c.MaxHold = 0, 1 },
		"shrinking backstop": func(c *Config) { c.Backstop = Backstop{Min: 2, Max: 1} },
		"negative backstop":  func(c *Config) { c.Backstop.Min = -1 },
		"negative timeout":   func(c *Config) { c.ReleaseTimeout = -1 },
		"negative handoff":   func(c *Config) { c.LocalHandoff.Count = -1 },
		"unbounded handoff":  func(c *Config) { c.LocalHandoff.Count = 1 },
	} {
		c := good
		change(&c)
		if _, err := New(c); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", what, err)
		}
	}
}

func TestADeadContextAsksNobody(t *testing.T) {
	f := &fake{onClaim: func(context.Context) error { t.Error("the backend was asked"); return nil }}
	l := f.lock(f.engine(t, nil), "a")
	cause := errors.New("shutting down")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	for _, acquire := range []func(context.Context) (core.Handle, error){l.Acquire, l.TryAcquire} {
		_, err := acquire(ctx)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) || errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("%v, want the context's error with its cause, and not ErrNotAcquired", err)
		}
	}
}

func TestTheContextOfAnAcquireDoesNotBoundTheHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		ctx, cancel := context.WithCancel(t.Context())
		h, err := f.lock(f.engine(t, nil), "a").Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(10 * term)
		if err := h.Err(); err != nil {
			t.Errorf("the hold ended with the context of its acquire: %v", err)
		}
	})
}

func TestABackendThatIsDownIsNotAHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &core.Error{Op: "dial", Err: core.ErrUnavailable}
		f := &fake{onClaim: func(ctx context.Context) error { <-ctx.Done(); return down }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := f.lock(f.engine(t, nil), "a").Acquire(ctx)
		if !errors.Is(err, core.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("%v, want ErrUnavailable and the context's error, and not ErrNotAcquired", err)
		}
	})
}

// What was not answered before the deadline was not answered by a holder; and a
// caller who leaves has not found out anything.
func TestABackendThatDoesNotAnswerInTimeIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onClaim: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		l := f.lock(f.engine(t, nil), "a")
		for _, acquire := range []func(context.Context) (core.Handle, error){l.Acquire, l.TryAcquire} {
			late, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := acquire(late)
			cancel()
			if !errors.Is(err, core.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, core.ErrNotAcquired) {
				t.Errorf("%v, want ErrUnavailable and the context's error, and not ErrNotAcquired", err)
			}
			left, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			if _, err = acquire(left); !errors.Is(err, context.Canceled) || errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNotAcquired) {
				t.Errorf("%v, want the context's error, and nothing of the backend", err)
			}
		}
	})
}

// A wakeful claimer tells of changes.
type wakeful struct {
	fakeClaimer
	wake    chan struct{}
	stopped *atomic.Bool
}

func (w wakeful) Wake() (<-chan struct{}, func(), error) {
	return w.wake, func() { w.stopped.Store(true) }, nil
}

func TestTheWaitLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		theirs, ours := f.engine(t, nil), f.engine(t, nil)
		h := acquire(t, f.lock(theirs, "a"))
		var tries []time.Duration
		start := time.Now()
		f.onClaim = func(context.Context) error { tries = append(tries, time.Since(start)); return nil }
		w := wakeful{fakeClaimer{f, "a"}, make(chan struct{}, 1), new(atomic.Bool)}
		got := make(chan time.Duration)
		go func() {
			h := acquire(t, ours.NewLock("a", w))
			got <- time.Since(start)
			h.Release(t.Context())
		}()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		// At first twice: before and after it began to listen. Then the pauses
		// double from 50 ms to 1 s, less up to a half.
		if tries[0] != 0 || tries[1] != 0 || tries[2] > 50*time.Millisecond || len(tries) < 13 || len(tries) > 30 {
			t.Errorf("attempts were made at %v", tries)
		}
		h.Release(t.Context())
		w.wake <- struct{}{}
		if at := <-got; at != 10*time.Second {
			t.Errorf("the event at 10s woke the waiter at %v", at)
		}
		synctest.Wait()
		if !w.stopped.Load() {
			t.Error("the waiter still listens")
		}
	})
}

func TestAMissedEventCostsTimeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		got := make(chan core.Handle)
		go func() { got <- acquire(t, f.lock(f.engine(t, nil), "a")) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		h.Release(t.Context())
		start := time.Now()
		(<-got).Release(t.Context())
		if since := time.Since(start); since > time.Second {
			t.Errorf("without events it took %v, want at most the backstop's 1s", since)
		}
	})
}

func TestTheLocalLineAsksTheServerOnlyForItsHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		e := f.engine(t, nil)
		h := acquire(t, f.lock(e, "a"))
		var asked atomic.Int32
		f.onClaim = func(context.Context) error { asked.Add(1); return nil }
		order := make(chan int, 10)
		for i := range 10 {
			go func() {
				h := acquire(t, f.lock(e, "a"))
				order <- i
				h.Release(t.Context())
			}()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := asked.Load(); n != 0 {
			t.Errorf("the server was asked %d times for a lock that this process holds", n)
		}
		if _, err := f.lock(e, "a").TryAcquire(t.Context()); !errors.Is(err, core.ErrNotAcquired) || asked.Load() != 0 {
			t.Errorf("TryAcquire: %v, after asking the server %d times", err, asked.Load())
		}
		h.Release(t.Context())
		for i := range 10 {
			if got := <-order; got != i {
				t.Errorf("waiter %d was served as number %d", got, i)
			}
		}
	})
}

func TestGiveBackIsRetriedAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		failed := make(chan core.Event, 1)
		e := f.engine(t, func(c *Config) {
			c.Observer = core.ObserverFunc(func(_ context.Context, ev core.Event) { failed <- ev })
		})
		calls := 0
		e.GiveBack(func(context.Context) error {
			if calls++; calls < 3 {
				return errDown
			}
			return nil
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if calls != 3 {
			t.Errorf("undo was called %d times, want until it succeeded", calls)
		}
		start := time.Now()
		e.GiveBack(func(context.Context) error { return errDown })
		ev := <-failed
		if ev.Type != core.EventGiveBackFailed || !errors.Is(ev.Err, errDown) || time.Since(start) != 10*time.Second {
			t.Errorf("after %v: %+v", time.Since(start), ev)
		}
	})
}

// Close waits for a give-back that was under way before it, but no longer than for
// a release, although the give-back might go on for longer.
func TestCloseEndsGiveBacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		failed := make(chan core.Event, 1)
		e := f.engine(t, func(c *Config) {
			c.GiveBackTimeout, c.ReleaseTimeout = time.Minute, time.Second
			c.Observer = core.ObserverFunc(func(_ context.Context, ev core.Event) { failed <- ev })
		})
		e.GiveBack(func(ctx context.Context) error {
			<-ctx.Done() // A server that does not answer.
			return errDown
		})
		time.Sleep(1500 * time.Millisecond) // The second attempt is under way.
		start := time.Now()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("Close took %v; it may wait for a second", took)
		}
		if ev := <-failed; ev.Type != core.EventGiveBackFailed || !errors.Is(ev.Err, errDown) || ev.Duration != 2500*time.Millisecond {
			t.Errorf("told: %+v", ev)
		}
	})
}

func TestAnErrorEndsTheWaitLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		acquire(t, f.lock(f.engine(t, nil), "a"))
		attempts, told := 0, 0
		_, err := f.engine(t, nil).Retry(t.Context(), nil, func(error) { told++ }, func(context.Context) (Claim, error) {
			if attempts++; attempts < 4 {
				return nil, core.ErrNotAcquired
			}
			return nil, errDown
		})
		if !errors.Is(err, errDown) || attempts != 4 || told != 1 {
			t.Errorf("%v after %d attempts, busy told %d times; want the error after 4, told once", err, attempts, told)
		}
	})
}

func TestAnEventStartsTheBackstopAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		var attempts []time.Time
		w := wakeful{fakeClaimer{f, "a"}, make(chan struct{}, 1), new(atomic.Bool)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = f.engine(t, nil).Retry(ctx, w, nil, func(context.Context) (Claim, error) {
				attempts = append(attempts, time.Now())
				return nil, core.ErrNotAcquired
			})
		}()
		time.Sleep(20 * time.Second) // The pauses have grown to a second.
		event := time.Now()
		w.wake <- struct{}{}
		time.Sleep(60 * time.Millisecond)
		cancel()
		<-done
		after := 0
		for _, at := range attempts {
			if !at.Before(event) {
				after++
			}
		}
		if after < 2 {
			t.Errorf("%d attempts in the 60ms after an event, want one at once and one after 50ms at the most", after)
		}
	})
}
