package file

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/fswatch"
)

// waitAsync begins to wait, and returns when it stands at the gate.
func waitAsync(t *testing.T, p *Provider, l core.Lock, kind core.Kind) <-chan core.Handle {
	t.Helper()
	got := make(chan core.Handle, 1)
	go func() {
		h, err := l.Acquire(context.Background())
		if err != nil {
			t.Error(err)
		}
		got <- h
	}()
	gate := newObject(kind, l.Name()).gate
	eventually(t, "somebody waits at the gate", func() bool {
		s, err := p.look(gate)
		return err == nil && len(s.holders) > 0
	})
	return got
}

// Who is told to wait has its place: a reader that comes right then does not pass a
// writer.
func TestWhoIsToldToWaitHasItsPlace(t *testing.T) {
	for name, open := range map[string]func(string, *Options) (*Provider, error){"local": New, "remote": newRemote} {
		t.Run(name, func(t *testing.T) {
			dir, passed := t.TempDir(), make(chan error, 1)
			opened := func(o *Options) *Provider {
				p, err := open(dir, o)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = p.Close() })
				return p
			}
			p, r := opened(&Options{}), opened(&Options{})
			q := opened(&Options{Observer: core.ObserverFunc(func(ctx context.Context, ev core.Event) {
				if ev.Type != core.EventWaiting {
					return
				}
				h, err := r.NewRWLock("a").TryAcquireRead(ctx)
				if err == nil {
					_ = h.Release(ctx)
				}
				passed <- err
			})})
			h := acquire(t, core.Reader(p.NewRWLock("a")))
			got := make(chan core.Handle, 1)
			go func() {
				h, err := q.NewRWLock("a").AcquireWrite(context.Background())
				if err != nil {
					t.Error(err)
				}
				got <- h
			}()
			if err := <-passed; !errors.Is(err, core.ErrNotAcquired) {
				t.Errorf("a reader that came after a writer was told to wait: %v", err)
			}
			release(t, h)
			release(t, <-got)
		})
	}
}

// A release wakes whoever waits in another process, long before it would look by
// itself.
func TestReleaseWakes(t *testing.T) {
	switch w, err := fswatch.New(); {
	case errors.Is(err, errors.ErrUnsupported):
		t.Skip("waiters poll here")
	case err != nil:
		t.Fatal(err)
	default:
		_ = w.Close()
	}
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			dir := t.TempDir()
			p, q := provider(t, dir, nil), provider(t, dir, nil)
			var took []time.Duration
			for range 15 {
				h := acquire(t, of(p, kind))
				got := waitAsync(t, p, of(q, kind), kind)
				time.Sleep(2 * time.Millisecond) // So that the waiter sleeps.
				start := time.Now()
				release(t, h)
				h = <-got
				took = append(took, time.Since(start))
				release(t, h)
			}
			slices.Sort(took)
			if took[len(took)/2] > 10*time.Millisecond {
				t.Errorf("the hand-over took %v; the shortest poll is after 25ms", took)
			}
		})
	}
}

// Where nothing is told, waiters poll, and get in.
func TestPolling(t *testing.T) {
	dir := t.TempDir()
	rec := new(recorder)
	p := provider(t, dir, nil)
	q := provider(t, dir, &Options{Polling: true, PollInterval: 2 * time.Millisecond, Observer: rec})
	for range 5 {
		h := acquire(t, p.NewLock("a"))
		got := waitAsync(t, p, q.NewLock("a"), core.KindLock)
		start := time.Now()
		release(t, h)
		release(t, <-got)
		if took := time.Since(start); took > time.Second {
			t.Errorf("the hand-over took %v", took)
		}
	}
	if q.events.watcher != nil || rec.count(core.EventDegraded) > 0 {
		t.Error("events were asked for although polling was")
	}
}

// Without events, because a user may have few sources of them, a provider polls,
// says so once, and comes back.
func TestFallbackToPolling(t *testing.T) {
	broken, err := fswatch.New()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("there are no events here")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := broken.Close(); err != nil {
		t.Fatal(err)
	}
	dir, rec := t.TempDir(), new(recorder)
	p, q := provider(t, dir, nil), provider(t, dir, &Options{Observer: rec})
	q.events.watcher = broken
	for range 3 {
		h := acquire(t, p.NewLock("a"))
		got := waitAsync(t, p, q.NewLock("a"), core.KindLock)
		release(t, h)
		release(t, <-got)
	}
	eventually(t, "the observer is told", func() bool { return rec.count(core.EventDegraded) == 1 })
	q.events.mu.Lock()
	q.events.watcher, q.events.again = nil, time.Time{}
	q.events.mu.Unlock()
	release(t, acquire(t, q.NewLock("b")))
	eventually(t, "the observer is told", func() bool { return rec.count(core.EventRecovered) == 1 })
	if n := rec.count(core.EventDegraded); n != 1 {
		t.Errorf("the observer was told %d times", n)
	}
}

// One who acquires again right after each release does not keep another process
// out.
func TestGreedDoesNotPay(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			dir := t.TempDir()
			greedy, modest := provider(t, dir, nil), provider(t, dir, nil)
			var rounds atomic.Int64
			ctx, stop := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() {
				for l := of(greedy, kind); ; rounds.Add(1) {
					h, err := l.Acquire(ctx)
					if err != nil {
						return
					}
					time.Sleep(time.Millisecond)
					_ = h.Release(t.Context())
				}
			})
			for range 20 {
				got := make(chan core.Handle, 1)
				before := rounds.Load()
				go func() { got <- acquire(t, of(modest, kind)) }()
				h := <-got
				if n := rounds.Load() - before; n > 20 {
					t.Errorf("the other process got in %d times before", n)
				}
				release(t, h)
			}
			stop()
			all.Wait()
		})
	}
}

// What a waiter that died has left behind keeps nobody out.
func TestDeadWaiterIsPassed(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			dir := t.TempDir()
			p := provider(t, dir, nil)
			release(t, acquire(t, of(p, kind)))
			main, err := p.files.get(newObject(kind, "a").main, "a")
			if err != nil {
				t.Fatal(err)
			}
			defer p.files.put(main)
			main.setGated(true)
			release(t, try(t, of(p, kind)))
			if main.gated() {
				t.Error("the mark of the dead waiter is still there")
			}
			if kind == core.KindRWLock {
				main.setGated(true)
				release(t, try(t, core.Reader(p.NewRWLock("a"))))
			}
		})
	}
}

// A wait that is cancelled leaves nothing: no place at the gate, no file in use.
func TestCancelledWaitLeavesNothing(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			dir, rec := t.TempDir(), new(recorder)
			p, q := provider(t, dir, nil), provider(t, dir, &Options{Observer: rec})
			h := acquire(t, of(p, kind))
			for i := range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() {
					_, err := of(q, kind).Acquire(ctx)
					done <- err
				}()
				eventually(t, "the wait has begun", func() bool { return rec.count(core.EventWaiting) > i })
				time.Sleep(rand.N(time.Millisecond)) // It ends at the gate, or on the way there.
				cancel()
				if err := <-done; !errors.Is(err, core.ErrNotAcquired) || !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
			}
			all := q.files.all()
			for _, lf := range all {
				q.files.put(lf)
			}
			if len(all) > 0 {
				t.Errorf("%d files are still in use", len(all))
			}
			st, err := p.Inspect(t.Context(), "a")
			if err != nil || len(st) != 1 || len(st[0].Waiters) > 0 {
				t.Errorf("Inspect tells %+v, %v", st, err)
			}
			release(t, h)
			release(t, try(t, of(q, kind)))
		})
	}
}

// Scenario 123: a thousand waiters need no threads, and go when they are told to.
func TestThousandWaiters(t *testing.T) {
	n := 1000
	if runtime.GOOS == "windows" {
		n = 100 // They poll, and more would leave them no time to line up.
	}
	dir := t.TempDir()
	p, q := provider(t, dir, &Options{IdleFiles: 4 * n}), provider(t, dir, &Options{IdleFiles: 4 * n})
	for i := range n {
		h := try(t, p.NewLock(fmt.Sprint(i)))
		defer func() { _ = h.Release(context.Background()) }()
	}
	before := threads()
	ctx, cancel := context.WithCancel(t.Context())
	var waiting, all sync.WaitGroup
	for i := range n {
		waiting.Add(1)
		all.Go(func() {
			waiting.Done()
			if _, err := q.NewLock(fmt.Sprint(i)).Acquire(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	waiting.Wait()
	eventually(t, "all stand at their gates", func() bool {
		q.files.mu.Lock()
		defer q.files.mu.Unlock()
		return len(q.files.files) >= 2*n
	})
	if grown := threads() - before; grown > 20 {
		t.Errorf("the waiters need %d threads", grown)
	}
	start := time.Now()
	cancel()
	all.Wait()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("to cancel them took %v", took)
	}
}

// threads returns how many threads this process has, where that is known.
func threads() int {
	b, _ := os.ReadFile("/proc/self/status")
	_, b2, _ := strings.Cut(string(b), "Threads:")
	var n int
	_, _ = fmt.Sscan(b2, &n)
	return n
}

// Scenario 109: the kernel frees the lock of a process that is killed, and whoever
// waits is woken.
func TestKilledHolder(t *testing.T) {
	dir := t.TempDir()
	p := provider(t, dir, nil)
	for range 5 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "DISTLOCK_FILE_HOLD="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		st, err := p.Inspect(t.Context(), "a")
		if err != nil || len(st) != 1 || st[0].Holders[0].Owner.PID != child.Process.Pid {
			t.Fatalf("Inspect tells %+v, %v", st, err)
		}
		got := waitAsync(t, p, p.NewLock("a"), core.KindLock)
		start := time.Now()
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		h := <-got
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the waiter needed %v", took)
		}
		_ = child.Wait()
		release(t, h)
	}
}

// holdForever is the process that TestKilledHolder kills.
func holdForever(dir string) {
	p, err := New(dir, nil)
	if err != nil {
		panic(err)
	}
	if _, err := p.NewLock("a").Acquire(context.Background()); err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("!")
	select {}
}

// Processes that use different limits are told so, and never hold more permits
// than the largest limit.
func TestLimitsDiffer(t *testing.T) {
	dir, rec := t.TempDir(), new(recorder)
	p, q := provider(t, dir, nil), provider(t, dir, &Options{Observer: rec})
	small, large := p.NewSemaphore("a", 2), q.NewSemaphore("a", 3)
	held := []core.Handle{try(t, small), try(t, small)}
	busy(t, small)
	held = append(held, try(t, large))
	busy(t, large)
	if n := rec.count(core.EventLimitMismatch); n != 1 {
		t.Errorf("the observer was told %d times", n)
	}
	st, err := p.Inspect(t.Context(), "a")
	if err != nil || len(st) != 1 || len(st[0].Holders) != 3 || st[0].Limit != 3 {
		t.Errorf("Inspect tells %+v, %v", st, err)
	}
	for _, h := range held {
		release(t, h)
	}
}
