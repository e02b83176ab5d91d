package driver

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
)

func TestDoneIsClosedBeforeTheBackendIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		var h core.Handle
		f.onRelease = func(context.Context) error {
			select {
			case <-h.Done():
			default:
				t.Error("the release was sent while the handle said held")
			}
			return nil
		}
		h = acquire(t, f.lock(f.engine(t, nil), "a"))
		if err := h.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(h.Err(), core.ErrReleased) || errors.Is(h.Err(), core.ErrLost) {
			t.Errorf("Err is %v", h.Err())
		}
	})
}

func TestReleaseWithADeadContextIsCarriedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onRelease: func(ctx context.Context) error { time.Sleep(time.Second); return ctx.Err() }}
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := h.Release(ctx); err != nil {
			t.Errorf("Release: %v", err)
		}
		if f.held("a") {
			t.Error("the lock is still held")
		}
	})
}

func TestReleaseWhoseContextEndsGoesOnInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.onRelease = func(ctx context.Context) error {
			f.mu.Lock()
			n := f.freed
			f.mu.Unlock()
			if n < 4 {
				<-ctx.Done() // The server does not answer.
				return ctx.Err()
			}
			return nil
		}
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := h.Release(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Release returned %v after %v, want its context's error after 1s", err, time.Since(start))
		}
		if !f.held("a") {
			t.Fatal("the fake released although it did not answer")
		}
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if f.freed < 2 {
			t.Error("no further attempt was made in the background")
		}
	})
}

func TestAnUnconfirmedReleaseIsUnavailableAndRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		var hung atomic.Bool
		f.onRelease = func(ctx context.Context) error {
			if hung.CompareAndSwap(false, true) {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		start := time.Now()
		err := h.Release(t.Context())
		if !errors.Is(err, core.ErrUnavailable) || time.Since(start) != 5*time.Second {
			t.Errorf("Release returned %v after %v, want ErrUnavailable after the 5s of the default", err, time.Since(start))
		}
		synctest.Wait()
		if f.held("a") {
			t.Error("the background did not release what the first attempt left")
		}
		if again := h.Release(t.Context()); !errors.Is(again, err) {
			t.Errorf("a later Release says %v, want the result of the first", again)
		}
	})
}

func TestAHundredReleasesAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onRelease: func(context.Context) error { time.Sleep(time.Second); return nil }}
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := h.Release(t.Context()); err != nil {
					t.Errorf("Release: %v", err)
				}
			})
		}
		wg.Wait()
		if f.freed != 1 {
			t.Errorf("the backend was asked %d times", f.freed)
		}
	})
}

func TestALossThatTheBackendTellsOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		lost := f.owners["a"].lost
		lost(errDown)
		lost(errors.New("again"))
		select {
		case <-h.Done():
		default:
			t.Error("Done is open")
		}
		if err := h.Err(); !errors.Is(err, core.ErrLost) || !errors.Is(err, errDown) {
			t.Errorf("Err is %v, want ErrLost with its cause", err)
		}
		if err := h.Release(t.Context()); !errors.Is(err, core.ErrLost) {
			t.Errorf("Release: %v, want ErrLost", err)
		}
		synctest.Wait()
		if f.held("a") {
			t.Error("what the server still kept was not given back")
		}
	})
}

func TestALossThatOnlyTheReleaseFindsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		f.mu.Lock()
		delete(f.owners, "a")
		f.mu.Unlock()
		for range 2 {
			if err := h.Release(t.Context()); !errors.Is(err, core.ErrLost) {
				t.Errorf("Release: %v, want ErrLost", err)
			}
		}
	})
}

func TestADroppedHandleIsReleased(t *testing.T) {
	f := &fake{}
	seen := make(chan core.Event, 10)
	e := f.engine(t, func(c *Config) {
		c.Observer = core.ObserverFunc(func(_ context.Context, ev core.Event) { seen <- ev })
	})
	acquire(t, f.lock(e, "a"))
	for {
		runtime.GC()
		select {
		case ev := <-seen:
			if ev.Type != core.EventAbandoned {
				continue
			}
			if ev.Name != "a" || ev.Token == 0 {
				t.Errorf("the event does not say what was abandoned: %+v", ev)
			}
			acquire(t, f.lock(e, "a")).Release(t.Context())
			return
		case <-time.After(time.Millisecond):
		}
	}
}

func TestCloseWithHoldersAndWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onRelease: func(context.Context) error { time.Sleep(time.Second); return nil }}
		e := f.engine(t, nil)
		h := acquire(t, f.lock(e, "a"))
		waited := make(chan error)
		go func() {
			_, err := f.lock(e, "a").Acquire(t.Context())
			waited <- err
		}()
		synctest.Wait()
		start := time.Now()
		closed := make(chan struct{})
		go func() { e.Close(); close(closed) }()
		if err := <-waited; !errors.Is(err, core.ErrClosed) || time.Since(start) != 0 {
			t.Errorf("the waiter got %v after %v, want ErrClosed at once", err, time.Since(start))
		}
		<-h.Done()
		if err := h.Err(); !errors.Is(err, core.ErrLost) || !errors.Is(err, core.ErrClosed) {
			t.Errorf("the holder was told %v, want ErrLost because of ErrClosed", err)
		}
		<-closed
		if f.held("a") {
			t.Error("Close returned before the lock was given back")
		}
		if _, err := f.lock(e, "a").TryAcquire(t.Context()); !errors.Is(err, core.ErrClosed) {
			t.Errorf("TryAcquire after Close: %v", err)
		}
		e.Close()
	})
}

func TestAClaimThatSucceedsWhileTheEngineClosesIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onClaim: func(context.Context) error { time.Sleep(time.Second); return nil }}
		e := f.engine(t, nil)
		failed := make(chan error, 1)
		go func() {
			_, err := f.lock(e, "a").Acquire(t.Context())
			failed <- err
		}()
		synctest.Wait()
		e.Close()
		if err := <-failed; !errors.Is(err, core.ErrClosed) {
			t.Errorf("Acquire: %v, want ErrClosed", err)
		}
		if f.held("a") {
			t.Error("Close returned and left the lock held")
		}
	})
}

func TestAnObserverThatPanicsChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		e := f.engine(t, func(c *Config) {
			c.Observer = core.ObserverFunc(func(context.Context, core.Event) { panic("observer") })
		})
		h := acquire(t, f.lock(e, "a"))
		time.Sleep(term)
		if err := h.Release(t.Context()); err != nil || f.held("a") {
			t.Errorf("Release: %v, held: %v", err, f.held("a"))
		}
	})
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		var mu sync.Mutex
		var got []core.Event
		e := f.engine(t, func(c *Config) {
			c.Observer = core.ObserverFunc(func(_ context.Context, ev core.Event) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, ev)
			})
		})
		h := acquire(t, f.lock(e, "a"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.lock(e, "a").Acquire(ctx); !errors.Is(err, core.ErrNotAcquired) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Acquire: %v, want ErrNotAcquired and the context's error", err)
		}
		time.Sleep(term/3 - time.Second)
		synctest.Wait()
		h.Release(t.Context())
		lost := acquire(t, f.lock(e, "a"))
		f.owners["a"].lost(errDown)
		<-lost.Done()
		synctest.Wait()
		want := []core.Event{
			{Type: core.EventAcquired, Token: 10},
			{Type: core.EventWaiting},
			{Type: core.EventNotAcquired, Duration: time.Second},
			{Type: core.EventRenewed, Token: 10},
			{Type: core.EventReleased, Token: 10, Duration: term / 3},
			{Type: core.EventAcquired, Token: 20},
			{Type: core.EventLost, Token: 20},
		}
		mu.Lock()
		defer mu.Unlock()
		for i, ev := range got {
			if ev.Backend != "fake" || ev.Kind != core.KindLock || ev.Name != "a" {
				t.Errorf("event %d does not say of what: %+v", i, ev)
			}
			if i >= len(want) || ev.Type != want[i].Type || ev.Token != want[i].Token || ev.Duration != want[i].Duration {
				t.Errorf("event %d is %+v", i, ev)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d events, want %d", len(got), len(want))
		}
	})
}

func TestErrorsAndEventsSayWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		causes := map[core.EventType]error{}
		hold := func(f *fake) core.Handle {
			return acquire(t, f.lock(f.engine(t, func(c *Config) {
				c.Observer = core.ObserverFunc(func(_ context.Context, ev core.Event) {
					mu.Lock()
					defer mu.Unlock()
					causes[ev.Type] = ev.Err
				})
			}), "a"))
		}
		hold(&fake{onRenew: func(context.Context, int) error { return errDown }})
		time.Sleep(2 * term)

		err := hold(&fake{onRelease: func(context.Context) error { return errDown }}).Release(t.Context())
		var typed *core.Error
		if !errors.As(err, &typed) || typed.Op != "release" || typed.Name != "a" || !errors.Is(err, errDown) {
			t.Errorf("Release: %v, want an *Error that names the lock and the cause", err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err = hold(&fake{onRelease: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}).Release(ctx)
		if !errors.Is(err, context.Canceled) || errors.Is(err, core.ErrUnavailable) {
			t.Errorf("a Release that its caller gave up: %v, want the context's error", err)
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		for _, event := range []core.EventType{core.EventRenewFailed, core.EventLost} {
			if !errors.Is(causes[event], errDown) {
				t.Errorf("%s was told with %v, want the cause", event, causes[event])
			}
		}
		if !errors.Is(causes[core.EventReleased], context.Canceled) {
			t.Errorf("released was told with %v, want the result of the release", causes[core.EventReleased])
		}
	})
}

func TestALaterReleaseIsBoundedByItsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onRelease: func(context.Context) error { time.Sleep(3 * time.Second); return nil }}
		h := acquire(t, f.lock(f.engine(t, nil), "a"))
		go h.Release(t.Context())
		synctest.Wait()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Release(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Release returned %v after %v, want the end of its context after 1s", err, time.Since(start))
		}
		if err := h.Release(ctx); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("Release with a dead context returned %v after %v, want the first one's result after 3s", err, time.Since(start))
		}
		if err := h.Release(t.Context()); err != nil {
			t.Errorf("a Release after all is done: %v", err)
		}
	})
}

// What a Release that was not confirmed is told: only the engine's own time limit
// says that the backend is unavailable.
func TestAFailedReleaseSaysWhatTheBackendSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := acquire(t, (&fake{onRelease: func(context.Context) error { return errDown }}).locked(t)).Release(t.Context())
		if !errors.Is(err, errDown) || errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Release: %v, want what the backend said and nothing else", err)
		}
		h := acquire(t, (&fake{onRelease: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}).locked(t))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Release(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Release: %v, want the end of its context and nothing else", err)
		}
	})
}

// locked returns a lock of an engine of its own.
func (f *fake) locked(t *testing.T) core.Lock { return f.lock(f.engine(t, nil), "a") }

// A backend that bounds its calls by itself is given the caller's context.
func TestAReleaseIsBoundedOnlyIfItMustBe(t *testing.T) {
	for _, c := range []struct {
		change  func(*Config)
		bounded bool
	}{
		{func(*Config) {}, true},
		{func(c *Config) { c.NeverBlocks = true }, false},
		{func(c *Config) { c.BoundsItself = true }, false},
	} {
		cfg := Config{Backend: "test"}
		c.change(&cfg)
		e, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := e.forRelease(context.Background())
		if _, bounded := ctx.Deadline(); bounded != c.bounded {
			t.Errorf("NeverBlocks %v, BoundsItself %v: the release has a deadline: %v", cfg.NeverBlocks, cfg.BoundsItself, bounded)
		}
		stop()
		e.Close()
	}
}

func TestALateReleaseLeavesNothingLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := acquire(t, (&fake{}).locked(t)).(*handle)
		for range 2 {
			if err := h.Release(t.Context()); err != nil {
				t.Errorf("Release: %v", err)
			}
			if !h.hold.mu.TryLock() {
				t.Fatal("Release has returned, and the hold is locked")
			}
			h.hold.mu.Unlock()
		}
	})
}

// When a hold began is of use to an observer, and to local hand-over.
func TestNobodyAsksWhenAHoldBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := acquire(t, (&fake{}).locked(t)).(*handle)
		if h.hold.since != nil {
			t.Error("it is noted all the same")
		}
	})
}

// A give-back that begins while the engine is being closed has as much time as any
// release.
func TestAGiveBackThatBeginsDuringCloseHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := &fake{
			onClaim: func(context.Context) error { time.Sleep(4 * time.Second); return nil },
			onRelease: func(context.Context) error {
				if time.Since(start) < 8*time.Second {
					return errDown
				}
				return nil
			},
		}
		e := f.engine(t, nil)
		failed := make(chan error, 1)
		go func() {
			_, err := f.lock(e, "a").Acquire(t.Context())
			failed <- err
		}()
		synctest.Wait()
		e.Close() // Its five seconds are over before the server takes the claim back.
		if err := <-failed; !errors.Is(err, core.ErrClosed) {
			t.Errorf("Acquire: %v, want ErrClosed", err)
		}
		if f.held("a") || time.Since(start) > 9*time.Second {
			t.Errorf("after %v the lock is held: %v", time.Since(start), f.held("a"))
		}
	})
}
