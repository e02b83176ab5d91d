package core_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/memory"
)

type memoryOptions = memory.Options

func TestDoHoldsWhileFnRuns(t *testing.T) {
	p := open(t, nil)
	l := p.NewLock("a")
	wrong := errors.New("something went wrong")
	for _, want := range []error{nil, wrong} {
		err := core.Do(t.Context(), l, func(ctx context.Context) error {
			if isFree(t, l) {
				t.Error("the lock is free while fn runs")
			}
			if ctx.Err() != nil {
				t.Errorf("fn's context has ended: %v", context.Cause(ctx))
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Errorf("Do returned %v, want %v", err, want)
		}
		if !isFree(t, l) {
			t.Error("the lock is held after Do")
		}
	}
}

func TestDoWithoutTheLockDoesNotRunFn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, nil)
		l := p.NewLock("a")
		if _, err := l.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := core.Do(ctx, l, func(context.Context) error {
			t.Error("fn runs")
			return nil
		})
		if !errors.Is(err, core.ErrNotAcquired) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do returned %v", err)
		}
	})
}

func TestDoReleasesOnPanic(t *testing.T) {
	l := open(t, nil).NewLock("a")
	func() {
		defer func() {
			if v := recover(); v != "boom" {
				t.Errorf("recovered %v, want the panic of fn", v)
			}
		}()
		_ = core.Do(t.Context(), l, func(context.Context) error { panic("boom") })
	}()
	if !isFree(t, l) {
		t.Error("the lock is held after a panic")
	}
}

func TestDoReleasesOnGoexit(t *testing.T) {
	l := open(t, nil).NewLock("a")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = core.Do(context.Background(), l, func(context.Context) error {
			runtime.Goexit()
			return nil
		})
	}()
	<-done
	if !isFree(t, l) {
		t.Error("the lock is held after runtime.Goexit")
	}
}

func TestDoTellsOfALoss(t *testing.T) {
	p := open(t, nil)
	wrong := errors.New("something went wrong")
	for _, of := range []error{nil, wrong} {
		err := core.Do(t.Context(), p.NewLock("a"), func(ctx context.Context) error {
			lose(t, p, "a")
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), core.ErrLost) || ctx.Err() != context.Canceled {
				t.Errorf("fn's context ended with %v, %v", ctx.Err(), context.Cause(ctx))
			}
			return of
		})
		if !errors.Is(err, core.ErrLost) || of != nil && !errors.Is(err, of) {
			t.Errorf("fn returned %v and Do %v, which must match ErrLost too", of, err)
		}
	}
}

func TestDoWithTheCallersContext(t *testing.T) {
	type key struct{}
	l := open(t, nil).NewLock("a")
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	err := core.Do(ctx, l, func(ctx context.Context) error {
		if ctx.Value(key{}) != "value" {
			t.Error("fn's context does not carry the caller's values")
		}
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, core.ErrLost) {
		t.Errorf("Do returned %v", err)
	}
	if !isFree(t, l) {
		t.Error("the lock is held: Do must release it although its context was cancelled")
	}
}

func TestDoReportsAFailedRelease(t *testing.T) {
	wrong := errors.New("connection reset")
	l := told{Lock: open(t, nil).NewLock("a"), diary: &diary{}, release: wrong}
	err := core.Do(t.Context(), l, func(context.Context) error { return nil })
	if !errors.Is(err, wrong) {
		t.Errorf("Do returned %v; it must tell that the release failed", err)
	}
}

func TestHoldEndsTheHandle(t *testing.T) {
	l := open(t, nil).NewLock("a")
	h, err := l.TryAcquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = core.Hold(t.Context(), h, func(ctx context.Context) error { return ctx.Err() })
	if err != nil || !errors.Is(h.Err(), core.ErrReleased) || !isFree(t, l) {
		t.Errorf("Hold returned %v and left a handle whose Err is %v", err, h.Err())
	}
}

// TestWithHandle runs in a bubble, which finds a goroutine that stays behind.
func TestWithHandle(t *testing.T) {
	for name, test := range map[string]struct {
		end   func(p *memory.Provider, h core.Handle, parent, cancel context.CancelFunc)
		cause error
	}{
		"release":        {func(_ *memory.Provider, h core.Handle, _, _ context.CancelFunc) { _ = h.Release(context.Background()) }, core.ErrReleased},
		"loss":           {func(p *memory.Provider, _ core.Handle, _, _ context.CancelFunc) { lose(t, p, "a") }, core.ErrLost},
		"close":          {func(p *memory.Provider, _ core.Handle, _, _ context.CancelFunc) { _ = p.Close() }, core.ErrClosed},
		"parent's end":   {func(_ *memory.Provider, _ core.Handle, parent, _ context.CancelFunc) { parent() }, context.Canceled},
		"its own cancel": {func(_ *memory.Provider, _ core.Handle, _, cancel context.CancelFunc) { cancel() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, nil)
				h, err := p.NewLock("a").Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				parent, cancelParent := context.WithCancel(t.Context())
				ctx, cancel := core.WithHandle(parent, h)
				synctest.Wait()
				if ctx.Err() != nil {
					t.Fatalf("the context has ended before the hold: %v", context.Cause(ctx))
				}
				test.end(p, h, cancelParent, cancel)
				synctest.Wait()
				if ctx.Err() != context.Canceled || !errors.Is(context.Cause(ctx), test.cause) {
					t.Errorf("the context ended with %v, %v; want the cause %v", ctx.Err(), context.Cause(ctx), test.cause)
				}
				if held := h.Err() == nil; held != errors.Is(test.cause, context.Canceled) {
					t.Errorf("Err of the handle is %v", h.Err())
				}
				cancel()
				cancelParent()
			})
		})
	}
}

func TestWithHandleThatHasEnded(t *testing.T) {
	h, err := open(t, nil).NewLock("a").Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = h.Release(t.Context())
	ctx, cancel := core.WithHandle(t.Context(), h)
	defer cancel()
	if !errors.Is(context.Cause(ctx), core.ErrReleased) {
		t.Errorf("the context of a hold that is over has the cause %v", context.Cause(ctx))
	}
}
