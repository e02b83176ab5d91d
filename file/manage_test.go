package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.Name() != ledgerName {
			names = append(names, f.Name())
		}
	}
	return names
}

// GC removes what nobody uses, and nothing else.
func TestGC(t *testing.T) {
	dir := t.TempDir()
	p, q := provider(t, dir, &Options{IdleFiles: 1}), provider(t, dir, nil)
	var held []core.Handle
	var tokens []uint64
	for _, kind := range kinds {
		held = append(held, acquire(t, of(q, kind)))
	}
	for range 3 {
		h := acquire(t, p.NewLock("idle"))
		tokens = append(tokens, h.Token())
		release(t, h)
	}
	for _, name := range []string{"mine", "a.lock", newObject(core.KindLock, "a").main + ".old"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	crashed := []string{newObject(core.KindLock, "x").main + ".tmp-ABCDEFGH", ledgerName + ".tmp-ABCDEFGH"}
	for _, name := range crashed {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := len(files(t, dir))
	if n, err := p.GC(t.Context(), time.Hour); n != 0 || err != nil {
		t.Fatalf("GC of what is an hour old: %d, %v", n, err)
	}
	n, err := p.GC(t.Context(), 0)
	if err != nil || n != before-len(files(t, dir)) {
		t.Fatalf("GC says that it removed %d, %v; %d files were there, %d are", n, err, before, len(files(t, dir)))
	}
	for _, name := range append(crashed, newObject(core.KindLock, "idle").main) {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s, which nobody uses, is still there", name)
		}
	}
	for i, kind := range kinds {
		if err := held[i].Err(); err != nil {
			t.Errorf("GC ended the hold on the %s: %v", kind, err)
		}
		busy(t, of(p, kind))
		release(t, held[i])
	}
	for _, name := range []string{"mine", "a.lock", newObject(core.KindLock, "a").main + ".old"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Errorf("GC removed what is not its own: %v", err)
		}
	}
	next(t, p.NewLock("idle"), tokens[2])
	if _, err := p.GC(t.Context(), -1); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("GC of the future: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.GC(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("GC when it is told to stop: %v", err)
	}
}

// GC does not lock what is too young for it, where others would take it for held.
func TestGCDoesNotTouchWhatIsYoung(t *testing.T) {
	dir := t.TempDir()
	p, gc := provider(t, dir, nil), provider(t, dir, nil)
	l := p.NewLock("a")
	release(t, try(t, l))
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < 1000 && err == nil; i++ {
			_, err = gc.GC(t.Context(), time.Hour)
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
		h, err := l.TryAcquire(t.Context())
		if err != nil {
			t.Errorf("TryAcquire of what nobody holds: %v", err)
			<-done
			return
		}
		release(t, h)
	}
}

// The name and the limit of a semaphore stay as long as there are permits.
func TestGCLeavesSemaphoresInUse(t *testing.T) {
	dir := t.TempDir()
	p, gc := provider(t, dir, nil), provider(t, dir, nil)
	h := acquire(t, p.NewSemaphore("a", 3))
	if n, err := gc.GC(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("GC of a semaphore in use: %d, %v", n, err)
	}
	for _, look := range []func(context.Context, string) ([]core.Status, error){gc.List, gc.Inspect} {
		st, err := look(t.Context(), "a")
		if err != nil || len(st) != 1 || len(st[0].Holders) != 1 || st[0].Limit != 3 {
			t.Errorf("one of 3 permits is held; told is %+v, %v", st, err)
		}
	}
	release(t, h)
	p.files.clear()
	n, err := gc.GC(t.Context(), 0)
	if left := files(t, dir); n != 2 || err != nil || len(left) > 0 {
		t.Errorf("GC of a semaphore that nobody uses: %d, %v; it has left %v", n, err, left)
	}
}

// Scenario 121: GC races with everybody and harms nobody.
func TestGCAgainstEverybody(t *testing.T) {
	dir := t.TempDir()
	var inside atomic.Int32
	var all sync.WaitGroup
	var removed, holds atomic.Int64
	var last atomic.Uint64
	stop := make(chan struct{})
	gc := provider(t, dir, nil)
	all.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			n, err := gc.GC(t.Context(), 0)
			if err != nil {
				t.Error(err)
				return
			}
			removed.Add(int64(n))
		}
	})
	var workers sync.WaitGroup
	for range 4 {
		p := provider(t, dir, nil)
		workers.Go(func() {
			for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
				h := acquire(t, p.NewLock("a"))
				if inside.Add(1) != 1 {
					t.Error("two are inside")
				}
				if was := last.Swap(h.Token()); h.Token() <= was {
					t.Errorf("token %d comes after token %d", h.Token(), was)
				}
				inside.Add(-1)
				holds.Add(1)
				if err := h.Release(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	all.Wait()
	t.Logf("%d holds, %d files removed", holds.Load(), removed.Load())
	if holds.Load() == 0 || removed.Load() == 0 && runtime.GOOS != "windows" {
		t.Error("nothing much has happened")
	}
}

func TestBreak(t *testing.T) {
	if runtime.GOOS == "windows" {
		dir := t.TempDir()
		p := provider(t, dir, nil)
		h := acquire(t, p.NewLock("a"))
		n, err := provider(t, dir, nil).Break(t.Context(), core.KindLock, "a")
		if n != 0 || !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, core.ErrUnavailable) || h.Err() != nil {
			t.Errorf("Break of a lock whose file is open: %d, %v; its holder: %v", n, err, h.Err())
		}
		t.Skip("a file that is open cannot be removed on Windows")
	}
	dir := t.TempDir()
	p, q, b := provider(t, dir, nil), provider(t, dir, nil), provider(t, dir, nil)
	rw, s := p.NewRWLock("a"), p.NewSemaphore("a", 3)
	other := acquire(t, p.NewLock("b"))
	for _, c := range []struct {
		kind core.Kind
		held []core.Handle
		next core.Lock
	}{
		{core.KindLock, []core.Handle{acquire(t, p.NewLock("a"))}, q.NewLock("a")},
		{core.KindRWLock, []core.Handle{acquire(t, core.Reader(rw)), acquire(t, core.Reader(q.NewRWLock("a")))}, core.Writer(q.NewRWLock("a"))},
		{core.KindSemaphore, []core.Handle{acquire(t, s), acquire(t, s)}, q.NewSemaphore("a", 1)},
	} {
		n, err := b.Break(t.Context(), c.kind, "a")
		if n != len(c.held) || err != nil {
			t.Errorf("Break of a %s with %d holders: %d, %v", c.kind, len(c.held), n, err)
		}
		for _, h := range c.held {
			if err := h.Err(); !errors.Is(err, core.ErrLost) {
				t.Errorf("Err of a hold that was broken: %v", err)
			}
			lostSoon(t, h)
		}
		release(t, try(t, c.next))
		if n, err := b.Break(t.Context(), c.kind, "a"); n != 0 || err != nil {
			t.Errorf("Break of a %s that is free: %d, %v", c.kind, n, err)
		}
		if n, err := b.Break(t.Context(), c.kind, "never seen"); n != 0 || err != nil {
			t.Errorf("Break of a %s that never was: %d, %v", c.kind, n, err)
		}
	}
	if err := other.Err(); err != nil {
		t.Errorf("Break ended another hold: %v", err)
	}
}

// Inspect tells who holds and who is next; of what a crash has left it tells
// nothing.
func TestInspect(t *testing.T) {
	dir := t.TempDir()
	owner := core.Owner{Program: "biller", Host: "here", PID: 4711}
	p, q := provider(t, dir, &Options{Owner: owner}), provider(t, dir, nil)
	h := acquire(t, core.Writer(p.NewRWLock("a")))
	got := waitAsync(t, q, core.Reader(q.NewRWLock("a")), core.KindRWLock)
	st, err := q.Inspect(t.Context(), "a")
	if err != nil || len(st) != 1 || len(st[0].Holders) != 1 || len(st[0].Waiters) != 1 {
		t.Fatalf("Inspect tells %+v, %v", st, err)
	}
	holder, waiter := st[0].Holders[0], st[0].Waiters[0]
	if holder.Owner != owner || holder.Token != h.Token() || holder.Shared || time.Since(holder.Since) > time.Minute {
		t.Errorf("the holder is told to be %+v", holder)
	}
	if waiter.Owner != core.ThisProcess() || !waiter.Shared || time.Since(waiter.Since) > time.Minute {
		t.Errorf("the waiter is told to be %+v", waiter)
	}
	_, err = q.NewRWLock("a").TryAcquireWrite(t.Context())
	var held *core.HeldError
	if errors.As(err, &held) && held.Holder.Owner != owner {
		t.Errorf("the lock is said to be held by %+v", held.Holder)
	}
	release(t, h)
	release(t, <-got)

	release(t, acquire(t, p.NewLock("b")))
	lf, err := p.files.get(newObject(core.KindLock, "b").main, "b")
	if err != nil {
		t.Fatal(err)
	}
	defer p.files.put(lf)
	lf.mu.Lock()
	err = lf.do(func() { writeEntry(lf.page, 0, p.owner, &claim{token: 1, since: time.Now()}) })
	lf.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if st, err := q.Inspect(t.Context(), "b"); err != nil || len(st) > 0 {
		t.Errorf("of a lock that is free Inspect tells %+v, %v", st, err)
	}
}

// List shows each object under its own name, and overlooks what is no lock file.
func TestList(t *testing.T) {
	dir := t.TempDir()
	p := provider(t, dir, nil)
	if all, err := p.List(t.Context(), ""); len(all) > 0 || err != nil {
		t.Errorf("List of an empty directory: %v, %v", all, err)
	}
	names := []string{"a/b", "a", "\x00", "ä"}
	for _, n := range names {
		h := acquire(t, p.NewLock(n))
		defer func() { _ = h.Release(context.Background()) }()
	}
	for file, text := range map[string]string{
		"x.lock": "no lock file", "y.rw": "", baseName(core.KindLock, "forged") + ".lock": "short",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "z.sem"), 0o700); err != nil {
		t.Fatal(err)
	}
	all, err := p.List(t.Context(), "")
	if err != nil || len(all) != len(names) {
		t.Fatalf("List tells %+v, %v", all, err)
	}
	some, err := p.List(t.Context(), "a")
	if err != nil || len(some) != 2 || some[0].Name != "a" || some[1].Name != "a/b" {
		t.Errorf("List of a prefix tells %+v, %v", some, err)
	}
}

func TestCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	p := provider(t, dir, nil)
	if err := p.Check(t.Context()); err != nil {
		t.Errorf("Check of a fine directory: %v", err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("Check has left %v", left)
	}
	if err := provider(t, dir, &Options{Polling: true}).Check(t.Context()); !errors.Is(err, ErrDegraded) || errors.Is(err, core.ErrUnavailable) {
		t.Errorf("Check where waiters poll: %v", err)
	}
	remote := provider(t, dir, nil)
	remote.folder.kind = func(string) string { return "NFS" }
	if err := remote.Check(t.Context()); !errors.Is(err, ErrDegraded) {
		t.Errorf("Check of a network file system: %v", err)
	}
	if err := os.Mkdir(mainPath(dir, core.KindLock, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := p.Check(t.Context()); !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("Check of a directory with something in the way: %v", err)
	}
}

// A provider that was closed does nothing more.
func TestClosed(t *testing.T) {
	p, err := New(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := acquire(t, p.NewLock("a"))
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := h.Err(); !errors.Is(err, core.ErrLost) || !errors.Is(err, core.ErrClosed) {
		t.Errorf("Err of a hold when its provider was closed: %v", err)
	}
	refuses(t, p.NewLock("a"), core.ErrClosed)
	_, ierr := p.Inspect(t.Context(), "a")
	_, lerr := p.List(t.Context(), "a")
	_, gerr := p.GC(t.Context(), 0)
	_, berr := p.Break(t.Context(), core.KindLock, "a")
	for _, err := range []error{ierr, lerr, gerr, berr, p.Check(t.Context())} {
		if !errors.Is(err, core.ErrClosed) || errors.Is(err, core.ErrUnavailable) {
			t.Errorf("%v, want ErrClosed alone", err)
		}
	}
}
