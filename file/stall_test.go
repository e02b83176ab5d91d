package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/flock"
	"github.com/distlock/distlock-go/file/internal/fswatch"
)

// keepLedger locks the ledger of a directory, as a process does that is stopped right
// then.
func keepLedger(t *testing.T, dir string) (free func()) {
	t.Helper()
	f, err := flock.Open(filepath.Join(dir, ledgerName), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	open := true
	free = func() {
		if open {
			open = false
			_ = f.Close()
		}
	}
	t.Cleanup(free)
	if ok, err := f.TryLock(false); !ok || err != nil {
		t.Fatal(ok, err)
	}
	return free
}

// asking begins to acquire what needs the ledger, and returns when that is waited for.
func asking(t *testing.T, p *Provider, l core.Lock) <-chan core.Handle {
	t.Helper()
	got := make(chan core.Handle, 1)
	go func() {
		h, err := l.Acquire(context.Background())
		if err != nil {
			t.Error(err)
		}
		got <- h
	}()
	eventually(t, "somebody waits for the ledger", func() bool { return len(p.ledger.turn) == 1 })
	return got
}

// soon is long for what does not wait, and short for the patience with a ledger.
const soon = 2 * time.Second

// quick checks that something does not wait.
func quick(t *testing.T, what string, do func()) {
	t.Helper()
	start := time.Now()
	do()
	if took := time.Since(start); took > soon {
		t.Errorf("%s took %v", what, took)
	}
}

// While one waits for the ledger those who hold the same object can look at it and
// release it, others can ask for it, and the loss of another lock is told.
func TestALedgerThatIsKeptHoldsUpNobodyElse(t *testing.T) {
	for kind, of := range map[core.Kind]func(*Provider) core.Lock{
		core.KindRWLock:    func(p *Provider) core.Lock { return core.Reader(p.NewRWLock("a")) },
		core.KindSemaphore: func(p *Provider) core.Lock { return p.NewSemaphore("a", 3) },
	} {
		t.Run(string(kind), func(t *testing.T) {
			dir := t.TempDir()
			p := provider(t, dir, &Options{CheckInterval: time.Hour})
			p.ledger.patience = time.Hour
			lock, held := try(t, p.NewLock("lock")), try(t, of(p))
			path := mainPath(dir, kind, "a")
			if err := overwrite(path, atBoot, garbage(8)); err != nil { // The next token needs the ledger.
				t.Fatal(err)
			}
			free := keepLedger(t, dir)
			got := asking(t, p, of(p))
			quick(t, "a change of the file", func() {
				if err := os.Chmod(path, 0o600); err != nil {
					t.Error(err)
				}
				if runtime.GOOS == "windows" {
					return // What is open cannot be removed there.
				}
				if err := os.Remove(mainPath(dir, core.KindLock, "lock")); err != nil {
					t.Error(err)
				}
				lostSoon(t, lock)
			})
			quick(t, "Err", func() {
				if err := held.Err(); err != nil {
					t.Error(err)
				}
			})
			quick(t, "Inspect", func() {
				if _, err := p.Inspect(t.Context(), "a"); err != nil {
					t.Error(err)
				}
			})
			quick(t, "the probe", func() { p.probe.look(true, true) })
			quick(t, "Release", func() { release(t, held) })
			quick(t, "an acquire that is given up", func() {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				defer cancel()
				if _, err := of(p).Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Acquire: %v, want DeadlineExceeded", err)
				}
			})
			free()
			if h := <-got; h != nil {
				release(t, h)
			}
		})
	}
}

// Whoever waits for the ledger heeds its context, whether it is the one who tries it or
// one who waits behind that one.
func TestAWaitForTheLedgerIsCancelled(t *testing.T) {
	dir := t.TempDir()
	p := provider(t, dir, nil)
	p.ledger.patience = time.Hour
	release(t, try(t, p.NewLock("a")))
	keepLedger(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	for _, l := range []core.Lock{p.NewLock("b"), p.NewLock("c")} {
		go func() {
			_, err := l.Acquire(ctx)
			errs <- err
		}()
	}
	eventually(t, "both have their files", func() bool {
		used := p.files.all()
		for _, lf := range used {
			p.files.put(lf)
		}
		return len(used) == 2
	})
	eventually(t, "somebody waits for the ledger", func() bool { return len(p.ledger.turn) == 1 })
	cancel()
	quick(t, "the cancelled acquires", func() {
		for range 2 {
			if err := <-errs; !errors.Is(err, context.Canceled) || errors.Is(err, core.ErrUnavailable) {
				t.Errorf("%v, want Canceled alone", err)
			}
		}
	})
	quick(t, "a break that is cancelled", func() {
		if _, err := p.Break(ctx, core.KindLock, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("Break: %v, want Canceled", err)
		}
	})
}

// A file that is removed while its new holder waits for the ledger is not what it holds.
func TestRemovalDuringTheWaitForTheLedger(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("what is open cannot be removed here")
	}
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			dir := t.TempDir()
			p, q := provider(t, dir, nil), provider(t, dir, nil)
			p.ledger.patience = time.Hour
			path := mainPath(dir, kind, "a")
			release(t, try(t, of(p, kind)))
			if err := overwrite(path, atBoot, garbage(8)); err != nil {
				t.Fatal(err)
			}
			free := keepLedger(t, dir)
			got := asking(t, p, of(p, kind))
			busy(t, of(q, kind))
			if kind == core.KindSemaphore {
				path += ".0"
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			free()
			h := <-got
			if h == nil {
				return
			}
			busy(t, of(q, kind))
			if err := h.Err(); err != nil {
				t.Error(err)
			}
			release(t, h)
			release(t, try(t, of(q, kind)))
		})
	}
}

// What the system tells of one file is heard although another one is being used.
func TestEventsDoNotWaitForAFile(t *testing.T) {
	dir := t.TempDir()
	p := provider(t, dir, nil)
	h := try(t, p.NewLock("a"))
	main, err := p.files.get(newObject(core.KindLock, "a").main, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer p.files.put(main)
	s := newSleeper(p, nil)
	defer s.stop()
	s.follow(main, false)
	select {
	case <-s.woken: // Before.
	default:
	}
	main.mu.Lock()
	told := make(chan struct{})
	go func() {
		for _, what := range []fswatch.Event{fswatch.Freed, fswatch.Changed, fswatch.Changed | fswatch.Freed, fswatch.Freed} {
			main.event(what)
		}
		close(told)
	}()
	select {
	case <-told:
	case <-time.After(soon):
		t.Error("an event waits for the mutex of its file")
	}
	main.mu.Unlock()
	<-told
	<-s.woken
	release(t, h)
}
