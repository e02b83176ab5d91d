package driver

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
)

// until waits for a condition on what Engine.mu guards.
func (e *Engine) until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		e.mu.Lock()
		ok := f()
		e.mu.Unlock()
		if ok {
			return
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("not after a minute: %s", what)
		}
	}
}

// idle reports whether the net has nothing to wait for. Engine.mu is held.
func (e *Engine) idle() bool { return !e.net.armed }

func TestAHandleIsCaughtWhenItsHoldIsNotYoung(t *testing.T) {
	f := &fake{}
	var abandoned sync.Map
	e := f.engine(t, func(c *Config) {
		c.Observer = core.ObserverFunc(func(_ context.Context, ev core.Event) {
			if ev.Type == core.EventAbandoned {
				abandoned.Store(ev.Name, true)
			}
		})
	})
	kept := acquire(t, f.lock(e, "kept"))
	for range 100 { // They come and go, and the older ones are found behind them.
		acquire(t, f.lock(e, "short")).Release(t.Context())
	}
	dropOld(t, f, e)
	for got := false; !got; _, got = abandoned.Load("dropped") {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	acquire(t, f.lock(e, "dropped")).Release(t.Context())
	if _, wrong := abandoned.Load("kept"); wrong || kept.Err() != nil {
		t.Errorf("a hold whose handle is still there was ended: %v", kept.Err())
	}
	if err := kept.Release(t.Context()); err != nil {
		t.Errorf("Release of an old hold: %v", err)
	}
	e.until(t, "the timer is not set any more", e.idle)
}

// dropOld drops a handle that has been caught.
//
//go:noinline
func dropOld(t *testing.T, f *fake, e *Engine) {
	h := acquire(t, f.lock(e, "dropped")).(*handle)
	e.until(t, "the hold is not young any more", func() bool { return h.hold.caught })
	e.until(t, "the timer is not set any more", e.idle)
	h.hold.mu.Lock()
	defer h.hold.mu.Unlock()
	if h.hold.handle != nil {
		t.Error("an old hold keeps its handle alive")
	}
	runtime.KeepAlive(h)
}

// Close comes before, while and after handles are caught, and a Release too.
func TestCloseFoldsUpTheNet(t *testing.T) {
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			e, err := New(Config{Backend: "test", NeverBlocks: true})
			if err != nil {
				t.Error(err)
				return
			}
			held, err := e.NewLock("a", new(instant)).Acquire(context.Background())
			if err != nil {
				t.Error(err)
			}
			time.Sleep(youth/2 + rand.N(2*youth))
			if i%2 == 0 {
				if err := held.Release(context.Background()); err != nil {
					t.Error(err)
				}
			}
			_ = e.Close()
			if e.net.armed {
				t.Error("the timer is set after Close")
			}
			runtime.KeepAlive(held)
		})
	}
	all.Wait()
}

// The bubbles that follow have a net all the same: they keep the handles that are
// caught until a Release has stopped their cleanups.

func TestAYoungHoldIsNotCaughtInALaterRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		e := f.engine(t, nil)
		e.net.works = true
		first := acquire(t, f.lock(e, "first"))
		time.Sleep(2*youth + youth/2)
		second := acquire(t, f.lock(e, "second"))
		for _, c := range []struct {
			after  time.Duration
			caught bool
		}{{youth + youth/2, false}, {youth, true}} {
			time.Sleep(c.after)
			synctest.Wait()
			e.mu.Lock()
			older, caught := first.(*handle).hold.caught, second.(*handle).hold.caught
			e.mu.Unlock()
			if !older || caught != c.caught {
				t.Errorf("%v later the old hold is caught: %v, the young one: %v", c.after, older, caught)
			}
		}
		first.Release(t.Context())
		second.Release(t.Context())
	})
}

func TestCloseDoesNotWaitForTheNet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		e := f.engine(t, nil)
		e.net.works = true
		acquire(t, f.lock(e, "a")).Release(t.Context())
		start := time.Now()
		e.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v", took)
		}
	})
}
