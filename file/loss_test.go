//go:build !windows

package file

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// meddlings are what a bystander can do to the file of a holder.
var meddlings = map[string]func(path string) error{
	"remove":    os.Remove,
	"move away": func(path string) error { return os.Rename(path, path+"2") },
	"replace": func(path string) error {
		return errors.Join(os.WriteFile(path+"2", nil, 0o600), os.Rename(path+"2", path))
	},
	"remove the directory": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
}

// Scenarios 110 and 79: whoever comes next gets in, and the holder knows it: Err
// at once, Done when the system tells. A release does not touch the next holder.
func TestLossOfAFile(t *testing.T) {
	for name, meddle := range meddlings {
		for _, kind := range kinds {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "locks")
				p, q := provider(t, dir, nil), provider(t, dir, nil)
				held, asked := acquire(t, of(p, kind)), acquire(t, p.NewLock("b"))
				if err := asked.Err(); err != nil {
					t.Fatal(err)
				}
				path := mainPath(dir, kind, "a")
				if kind == core.KindSemaphore {
					path += ".0"
				}
				if err := meddle(path); err != nil {
					t.Fatal(err)
				}
				if err := held.Err(); !errors.Is(err, core.ErrLost) {
					t.Fatalf("Err right afterwards is %v, want ErrLost", err)
				}
				lostSoon(t, held)
				if name != "remove the directory" && asked.Err() != nil {
					t.Errorf("the loss of one file ended another hold: %v", asked.Err())
				}
				next := try(t, of(q, kind))
				if err := held.Release(t.Context()); !errors.Is(err, core.ErrLost) {
					t.Errorf("Release is %v, want ErrLost", err)
				}
				if err := next.Err(); err != nil {
					t.Errorf("the release of a lost hold ended another: %v", err)
				}
				busy(t, of(p, kind))
				release(t, next)
				release(t, acquire(t, of(p, kind)))
			})
		}
	}
}

// Done is closed although nobody asks.
func TestLossIsTold(t *testing.T) {
	for name, meddle := range meddlings {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "locks")
			h := acquire(t, provider(t, dir, &Options{CheckInterval: time.Hour}).NewLock("a"))
			if err := meddle(mainPath(dir, core.KindLock, "a")); err != nil {
				t.Fatal(err)
			}
			lostSoon(t, h)
		})
	}
}

// The rename of a directory above causes no event, and shows in no attribute of
// the file: the probe finds it.
func TestLossByTheRenameOfADirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "above", "locks")
	p := provider(t, dir, &Options{CheckInterval: 5 * time.Millisecond})
	h, free := acquire(t, p.NewLock("a")), acquire(t, p.NewLock("b"))
	release(t, free)
	above := filepath.Dir(dir)
	if err := os.Rename(above, above+"2"); err != nil {
		t.Fatal(err)
	}
	lostSoon(t, h)
	release(t, acquire(t, provider(t, dir, nil).NewLock("a")))
}

// moves are what a bystander can do above the directory. The new one is as empty as
// one that is missing.
var moves = map[string]func(t *testing.T) (dir string, move func() error){
	"rename": func(t *testing.T) (string, func() error) {
		above := filepath.Join(t.TempDir(), "above")
		return filepath.Join(above, "locks"), func() error { return os.Rename(above, above+"2") }
	},
	"switch of a link": func(t *testing.T) (string, func() error) {
		old, fresh, link := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(old, link); err != nil {
			t.Fatal(err)
		}
		return link, func() error { return errors.Join(os.Symlink(fresh, link+"2"), os.Rename(link+"2", link)) }
	},
}

// known uses a file until it was seen at its path longer after it was made than the
// clocks of file systems tick, so that its time of change is relied upon.
func known(t *testing.T, use func()) {
	t.Helper()
	const tick = 25 * time.Millisecond
	start := time.Now()
	eventually(t, "the file is known", func() bool {
		old := time.Since(start) > tick
		use()
		return old
	})
}

// A file that is idle when its directory is moved does not pass for the lock longer
// than CheckInterval, even if no hold of it lasts long enough for the probe to see.
func TestIdleFilesOfADirectoryThatWasMoved(t *testing.T) {
	for name, prepare := range moves {
		for _, kind := range kinds {
			t.Run(name+"/"+string(kind), func(t *testing.T) {
				const interval = 10 * time.Millisecond
				dir, move := prepare(t)
				p, q := provider(t, dir, &Options{CheckInterval: interval}), provider(t, dir, nil)
				known(t, func() { release(t, try(t, of(p, kind))) })
				eventually(t, "the probe ends", func() bool { return !p.probe.running.Load() })
				if err := move(); err != nil {
					t.Fatal(err)
				}
				moved := time.Now()
				held := try(t, of(q, kind))
				eventually(t, "the interval is over", func() bool { return time.Since(moved) >= interval })
				busy(t, of(p, kind))
				token := held.Token()
				release(t, held)
				next := try(t, of(p, kind))
				if next.Token() <= token {
					t.Errorf("token %d comes after %d", next.Token(), token)
				}
				busy(t, of(q, kind))
				release(t, next)
			})
		}
	}
}

// Nobody is told for long that the lock is held because the old file is, and
// nobody waits for that.
func TestOldFilesDoNotKeepOthersOut(t *testing.T) {
	for name, prepare := range moves {
		t.Run(name, func(t *testing.T) {
			dir, move := prepare(t)
			never := &Options{CheckInterval: time.Hour}
			old, waits, tries := provider(t, dir, never), provider(t, dir, &Options{CheckInterval: 10 * time.Millisecond}), provider(t, dir, &Options{CheckInterval: time.Millisecond})
			h := acquire(t, old.NewLock("a"))
			busy(t, tries.NewLock("a"))
			got := waitAsync(t, old, waits.NewLock("a"), core.KindLock)
			if err := move(); err != nil {
				t.Fatal(err)
			}
			next := <-got
			eventually(t, "the new file is asked", func() bool {
				_, err := tries.NewLock("a").TryAcquire(t.Context())
				held, ok := errors.AsType[*core.HeldError](err)
				return ok && held.Holder.Token == next.Token()
			})
			release(t, next)
			release(t, try(t, tries.NewLock("a")))
			_ = h.Release(t.Context())
		})
	}
}

// The ledger is that of the path too: two would allot a token twice.
func TestLedgerOfADirectoryThatWasMoved(t *testing.T) {
	for name, prepare := range moves {
		t.Run(name, func(t *testing.T) {
			dir, move := prepare(t)
			p := provider(t, dir, &Options{CheckInterval: time.Hour})
			use := func() {
				if err := p.ledger.locked(t.Context(), func(*ledgerLock) error { return nil }); err != nil {
					t.Fatal(err)
				}
			}
			known(t, use)
			if err := move(); err != nil {
				t.Fatal(err)
			}
			use()
			if _, err := os.Stat(filepath.Join(dir, ledgerName)); err != nil {
				t.Error(err)
			}
		})
	}
}

// A release tells of a loss that nobody has told of yet.
func TestReleaseTellsOfALoss(t *testing.T) {
	dir := t.TempDir()
	p := provider(t, dir, &Options{Polling: true, CheckInterval: time.Hour})
	h := acquire(t, p.NewLock("a"))
	time.Sleep(2 * briefly)
	if err := os.Remove(mainPath(dir, core.KindLock, "a")); err != nil {
		t.Fatal(err)
	}
	if err := h.Release(t.Context()); !errors.Is(err, core.ErrLost) {
		t.Errorf("Release is %v, want ErrLost", err)
	}
}

// Whoever waits when the file is removed gets in with the next one.
func TestWaitersFollowTheFile(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			dir := t.TempDir()
			p, q := provider(t, dir, nil), provider(t, dir, nil)
			h := acquire(t, of(p, kind))
			got := make(chan core.Handle)
			go func() { got <- acquire(t, of(q, kind)) }()
			gate := mainPath(dir, kind, "a") + gateSuffix
			if kind == core.KindSemaphore {
				gate = mainPath(dir, kind, "a")
			}
			eventually(t, "somebody waits at the gate", func() bool {
				s, err := p.look(filepath.Base(gate))
				return err == nil && len(s.holders) > 0
			})
			removeFiles(t, dir, kind, "a")
			start := time.Now()
			next := <-got
			if took := time.Since(start); took > time.Second {
				t.Errorf("the waiter needed %v", took)
			}
			lostSoon(t, h)
			release(t, next)
		})
	}
}

// Scenario 87: nobody is inside together with another whose handle says that it
// holds, although everybody removes the file all the time.
func TestOverlapsAreLosses(t *testing.T) {
	dir := t.TempDir()
	var inside atomic.Pointer[core.Handle]
	var all sync.WaitGroup
	var holds, overlaps atomic.Int64
	for range 8 {
		p := provider(t, dir, nil)
		all.Go(func() {
			for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
				h, err := p.NewLock("a").TryAcquire(t.Context())
				if err != nil {
					continue
				}
				holds.Add(1)
				if other := inside.Swap(&h); other != nil && h.Err() == nil && (*other).Err() == nil {
					t.Error("two are inside, and both handles say that they hold")
				} else if other != nil {
					overlaps.Add(1)
				}
				if holds.Load()%10 == 0 {
					_ = os.Remove(mainPath(dir, core.KindLock, "a"))
				}
				inside.CompareAndSwap(&h, nil)
				_ = h.Release(t.Context())
			}
		})
	}
	all.Wait()
	t.Logf("%d holds, %d overlaps that a loss explains", holds.Load(), overlaps.Load())
	if holds.Load() < 10 {
		t.Error("nothing much has happened")
	}
}
