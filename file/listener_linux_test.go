package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// listening waits until whoever is next at the lock "a" sleeps, and reports how it
// wants to be told of the unlock.
func listening(t *testing.T, p *Provider) (how uint64) {
	t.Helper()
	main, err := p.files.get(newObject(core.KindLock, "a").main, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer p.files.put(main)
	eventually(t, "somebody has asked to be told", func() bool {
		err = main.page.Do(func() { how = main.page.Load(atWaiting) })
		return err == nil && how != 0
	})
	return how
}

// Who is next is woken by the bell, and needs nothing else.
func TestBellWakes(t *testing.T) {
	dir := t.TempDir()
	p, q := provider(t, dir, nil), provider(t, dir, nil)
	for range 10 {
		h := acquire(t, p.NewLock("a"))
		got := waitAsync(t, p, q.NewLock("a"), core.KindLock)
		if how := listening(t, p); how != byBell {
			t.Fatalf("the waiter asks to be told in the ways %b, want by the bell", how)
		}
		// A waiter that follows no event is left with the bell.
		for _, lf := range q.files.all() {
			lf.mu.Lock()
			lf.sleepers = nil
			lf.mu.Unlock()
			q.files.put(lf)
		}
		start := time.Now()
		release(t, h)
		release(t, <-got)
		if took := time.Since(start); took > listenFor/2 {
			t.Errorf("the waiter needed %v", took)
		}
	}
}

// No more than a few threads listen. All others are told of events.
func TestFewListen(t *testing.T) {
	dir := t.TempDir()
	p, q := provider(t, dir, nil), provider(t, dir, nil)
	var held []core.Handle
	var all sync.WaitGroup
	for i := range 3 * listeners {
		held = append(held, acquire(t, p.NewLock(fmt.Sprint(i))))
		all.Go(func() { release(t, acquire(t, q.NewLock(fmt.Sprint(i)))) })
	}
	eventually(t, "as many listen as may", func() bool { return len(q.listeners) == listeners })
	for _, h := range held {
		release(t, h)
	}
	all.Wait()
	if n := len(q.listeners); n != 0 {
		t.Errorf("%d places of listeners are still taken", n)
	}
}

// A listener heeds its context at once, and leaves its place.
func TestListenerIsCancelled(t *testing.T) {
	dir := t.TempDir()
	p, q := provider(t, dir, nil), provider(t, dir, nil)
	h := acquire(t, p.NewLock("a"))
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := q.NewLock("a").Acquire(ctx)
			done <- err
		}()
		listening(t, p)
		start := time.Now()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if took := time.Since(start); took > listenFor/2 {
			t.Errorf("the listener needed %v", took)
		}
	}
	if n := len(q.listeners); n != 0 {
		t.Errorf("%d places of listeners are still taken", n)
	}
	release(t, h)
}

// A bell that does not work, because the file was truncated or the kernel refuses,
// is replaced by events.
func TestBellOutOfOrder(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, dir string, q *Provider){
		"truncated": func(t *testing.T, dir string, _ *Provider) {
			t.Helper()
			if err := os.Truncate(mainPath(dir, core.KindLock, "a"), 0); err != nil {
				t.Fatal(err)
			}
		},
		"refused": func(t *testing.T, _ string, q *Provider) {
			t.Helper()
			for _, lf := range q.files.all() {
				lf.mute.Store(true)
				q.files.put(lf)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Getenv("DISTLOCK_TEST_QEMU") != "" && runtime.GOARCH != "386" {
				t.Skip("qemu does not tell where a fault was")
			}
			dir := t.TempDir()
			p, q := provider(t, dir, nil), provider(t, dir, nil)
			for range 5 {
				h := acquire(t, p.NewLock("a"))
				got := waitAsync(t, p, q.NewLock("a"), core.KindLock)
				listening(t, p)
				harm(t, dir, q)
				start := time.Now()
				release(t, h)
				release(t, <-got)
				if took := time.Since(start); took > wakeInterval/2 {
					t.Errorf("the waiter needed %v", took)
				}
			}
		})
	}
}

// An unlock that has seen only a bell asked for does not clear the wish of another
// sleeper that comes at that moment: that one would sleep on.
func TestRequestsAreClearedOnlyWhenSeen(t *testing.T) {
	p := provider(t, t.TempDir(), nil)
	lf, err := p.files.get(newObject(core.KindLock, "a").main, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer p.files.put(lf)
	const rounds = 100_000
	var begun, asked atomic.Int64
	go func() { // It asks at the same moment, on another processor if there is one.
		for i := int64(1); i <= rounds; i++ {
			for begun.Load() < i {
				runtime.Gosched()
			}
			lf.ask(byEvent)
			asked.Store(i)
		}
	}()
	for i := int64(1); i <= rounds; i++ {
		lf.ask(byBell)
		begun.Store(i)
		seen := lf.asked()
		for asked.Load() < i {
			runtime.Gosched()
		}
		if left := lf.asked(); (seen|left)&byEvent == 0 {
			t.Fatalf("round %d: the unlock saw %b, %b was left: the request to be told by an event is gone", i, seen, left)
		}
	}
}
