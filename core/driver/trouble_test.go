package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
)

var errAway = fmt.Errorf("%w: %w", core.ErrUnavailable, errDown)

// waitFor starts an acquire, and returns where its error comes once it is at rest.
func waitFor(ctx context.Context, l core.Lock) <-chan error {
	over := make(chan error, 1)
	go func() {
		_, err := l.Acquire(ctx)
		over <- err
	}()
	synctest.Wait()
	return over
}

// Somebody of this process waits for a server that is away. That nobody holds the
// lock is all that is known, and those behind are told what the one ahead was.
func TestBehindOneWhoWaitsForTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []core.Event
		f := &fake{onClaim: func(context.Context) error { return MayPass(errAway) }}
		e := f.engine(t, func(c *Config) {
			c.Observer = core.ObserverFunc(func(_ context.Context, ev core.Event) {
				if ev.Type == core.EventWaiting {
					told = append(told, ev)
				}
			})
		})
		l := f.lock(e, "a")
		ctx, cancel := context.WithCancel(t.Context())
		head := waitFor(ctx, l)
		if _, err := l.TryAcquire(t.Context()); !errors.Is(err, errDown) || errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("TryAcquire: %v; want what the one ahead waits for", err)
		}
		brief, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err := l.Acquire(brief)
		if !errors.Is(err, errDown) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("Acquire for a second: %v; want what the one ahead waits for, and the deadline", err)
		}
		cancel()
		if err := <-head; !errors.Is(err, errDown) {
			t.Errorf("the one ahead: %v", err)
		}
		if len(told) != 2 || !errors.Is(told[0].Err, errDown) || !errors.Is(told[1].Err, errDown) {
			t.Errorf("the observer was told %v; want two waits for the server", told)
		}
	})
}

// The one ahead waits for the server, then for a holder, then for the server again.
func TestBehindOneWhoseAnswerChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held atomic.Bool
		f := &fake{onClaim: func(context.Context) error {
			if held.Load() {
				return core.ErrNotAcquired
			}
			return MayPass(errAway)
		}}
		var told atomic.Int32
		e := f.engine(t, func(c *Config) {
			c.Observer = core.ObserverFunc(func(_ context.Context, ev core.Event) {
				if ev.Type == core.EventWaiting {
					told.Add(1)
				}
			})
		})
		l := f.lock(e, "a")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		waitFor(ctx, l)
		for _, now := range []bool{true, false} {
			held.Store(now)
			time.Sleep(10 * time.Second) // Attempts go on meanwhile.
			if _, err := l.TryAcquire(t.Context()); errors.Is(err, core.ErrNotAcquired) != now {
				t.Errorf("TryAcquire, held elsewhere %v: %v", now, err)
			}
		}
		if n := told.Load(); n != 1 {
			t.Errorf("the observer was told of %d waits, want one", n)
		}
	})
}

// A deadline behind an attempt that the server has not answered says that the server
// was too slow, and nothing of a holder.
func TestBehindOneWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onClaim: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		l := f.lock(f.engine(t, nil), "a")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		waitFor(ctx, l)
		brief, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := l.Acquire(brief); !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("%v; want ErrUnavailable", err)
		}
	})
}

// Somebody held the lock while this one waited, although the server has not answered
// whoever is ahead of it in the end.
func TestBehindSomeWhoHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pause atomic.Int64
		f := &fake{onClaim: func(ctx context.Context) error { return sleep(ctx, time.Duration(pause.Load())) }}
		l := f.lock(f.engine(t, nil), "a")
		pause.Store(int64(time.Second))
		first := make(chan core.Handle, 1)
		go func() { first <- acquire(t, l) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		waitFor(ctx, l)
		brief, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		last := waitFor(brief, l)
		h := <-first
		pause.Store(int64(time.Hour))
		h.Release(t.Context())
		if err := <-last; !errors.Is(err, core.ErrNotAcquired) || errors.Is(err, core.ErrUnavailable) {
			t.Errorf("%v; want ErrNotAcquired: it was held for a while", err)
		}
	})
}

// Whoever has waited as long for the server as for a holder is not told of the holder.
func TestBehindAHolderAndThenTheServer(t *testing.T) {
	for silent, told := range map[time.Duration]error{
		time.Second - 1: core.ErrNotAcquired,
		time.Second:     core.ErrUnavailable,
	} {
		synctest.Test(t, func(t *testing.T) {
			var away atomic.Bool
			f := &fake{onClaim: func(ctx context.Context) error {
				if away.Load() {
					<-ctx.Done()
				}
				return ctx.Err()
			}}
			l := f.lock(f.engine(t, nil), "a")
			first := acquire(t, l)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second+silent)
			defer cancel()
			second := waitFor(ctx, l)
			time.Sleep(time.Second)
			away.Store(true)
			first.Release(t.Context())
			if err := <-second; !errors.Is(err, told) {
				t.Errorf("after %v without an answer: %v; want %v", silent, err, told)
			}
		})
	}
}

// A first attempt is ended by Close like a wait, if the backend leaves bounds to the
// engine.
func TestCloseEndsAFirstAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onClaim: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		e := f.engine(t, nil)
		over := make(chan error)
		go func() {
			_, err := f.lock(e, "a").TryAcquire(context.Background())
			over <- err
		}()
		synctest.Wait()
		go e.Close()
		select {
		case err := <-over:
			if !errors.Is(err, core.ErrClosed) {
				t.Errorf("%v, want ErrClosed", err)
			}
		case <-time.After(time.Hour):
			t.Fatal("Close waits for it")
		}
	})
}

// What may pass is waited out from the first attempt on, and a Try is told of it
// without the mark.
func TestAFirstAttemptThatMayPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		f := &fake{onClaim: func(context.Context) error {
			if tries++; tries < 3 {
				return MayPass(errAway)
			}
			return nil
		}}
		e := f.engine(t, nil)
		_, err := f.lock(e, "a").TryAcquire(t.Context())
		if _, marked := errors.AsType[passing](err); marked || !errors.Is(err, errDown) || tries != 1 {
			t.Errorf("TryAcquire: %v after %d attempts", err, tries)
		}
		acquire(t, f.lock(e, "a"))
	})
}

// A grant that comes too late was nobody's hold: its loss is no event.
func TestALateGrantIsNoLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events sync.Map
		f := &fake{onClaim: func(context.Context) error { time.Sleep(2 * term); return nil }}
		e := f.engine(t, func(c *Config) {
			c.Observer = core.ObserverFunc(func(_ context.Context, ev core.Event) { events.Store(ev.Type, true) })
		})
		_, err := f.lock(e, "a").Acquire(t.Context())
		if !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrLost) || strings.Count(err.Error(), "distlock") != 1 {
			t.Errorf("%v; want one sentence that matches ErrUnavailable", err)
		}
		e.Close()
		for _, kind := range []core.EventType{core.EventAcquired, core.EventLost, core.EventNotAcquired} {
			if _, told := events.Load(kind); told != (kind == core.EventNotAcquired) {
				t.Errorf("the observer was told %q: %v; want EventNotAcquired alone", kind, told)
			}
		}
	})
}

// A release that is not answered is the backend's failure, whether the context of its
// caller had ended before or not.
func TestAReleaseWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{onRelease: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		e := f.engine(t, nil)
		dead, cancel := context.WithCancel(t.Context())
		cancel()
		for _, ctx := range []context.Context{t.Context(), dead} {
			h := acquire(t, f.lock(e, fmt.Sprint(ctx.Err())))
			if err := h.Release(ctx); !errors.Is(err, core.ErrUnavailable) {
				t.Errorf("with a context that ended with %v: %v, want ErrUnavailable", ctx.Err(), err)
			}
		}
	})
}

// A backend that ends its claims by itself is given the caller's own context.
func TestAFirstAttemptIsBoundedOnlyIfItMustBe(t *testing.T) {
	for _, c := range []struct {
		change  func(*Config)
		bounded bool
	}{
		{func(*Config) {}, true},
		{func(c *Config) { c.NeverBlocks = true }, false},
		{func(c *Config) { c.BoundsItself = true }, false},
	} {
		f := &fake{onClaim: func(ctx context.Context) error {
			if _, bounded := ctx.(*bound); bounded != c.bounded {
				t.Errorf("the context of the claim ends with Close: %v, want %v", bounded, c.bounded)
			}
			return nil
		}}
		h, err := f.lock(f.engine(t, c.change), "a").TryAcquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h.Release(t.Context())
	}
}

// A deadline that comes just after the turn, before the server has answered, ends a wait
// for the holder; one that comes long after it, a wait for the server.
func TestADeadlineJustAfterTheTurn(t *testing.T) {
	for after, want := range map[time.Duration]error{
		10 * time.Millisecond: core.ErrNotAcquired,
		time.Minute:           core.ErrUnavailable,
	} {
		synctest.Test(t, func(t *testing.T) {
			var pause atomic.Int64
			f := &fake{onClaim: func(ctx context.Context) error { return sleep(ctx, time.Duration(pause.Load())) }}
			l := f.lock(f.engine(t, nil), "a")
			h := acquire(t, l)
			pause.Store(int64(time.Hour))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second+after)
			defer cancel()
			waits := waitFor(ctx, l)
			time.Sleep(time.Second)
			h.Release(t.Context())
			err := <-waits
			if !errors.Is(err, want) || errors.Is(err, core.ErrNotAcquired) == errors.Is(err, core.ErrUnavailable) {
				t.Errorf("%v after its turn: %v, want %v", after, err, want)
			}
		})
	}
}
