package file

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/core"
)

// Scenario 58: when no more files can be opened those that are idle are closed;
// if that does not help it is an error, after which all is well again.
func TestTooManyOpenFiles(t *testing.T) {
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	low := was
	low.Cur = uint64(before) + 30
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	}()
	p, err := New(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		release(t, try(t, p.NewLock(string(rune('a'+i)))))
	}
	var held []core.Handle
	for i := range 100 {
		h, err := p.NewLock(string(rune('a' + i))).TryAcquire(t.Context())
		if err != nil {
			if !errors.Is(err, core.ErrUnavailable) || !errors.Is(err, syscall.EMFILE) {
				t.Errorf("%v, want ErrUnavailable and EMFILE", err)
			}
			names(t, err, "ulimit -n")
			break
		}
		held = append(held, h)
	}
	if len(held) < 10 || len(held) > 30 {
		t.Errorf("%d locks could be held", len(held))
	}
	for _, h := range held {
		release(t, h)
	}
	release(t, try(t, p.NewLock("again")))
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if n := descriptors(t); n > before {
		t.Errorf("%d descriptors were open before, %d are now", before, n)
	}
}

// No more files stay open than are wanted, and none after Close.
func TestIdleFilesAreBounded(t *testing.T) {
	before := descriptors(t)
	p, err := New(t.TempDir(), &Options{IdleFiles: 5})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		release(t, try(t, p.NewLock(string(rune('a'+i)))))
		release(t, try(t, p.NewSemaphore(string(rune('a'+i)), 3)))
	}
	if n := descriptors(t) - before; n > 5+4 { // The ledger, inotify and the runtime's poller.
		t.Errorf("%d descriptors are open", n)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if n := descriptors(t) - before; n > 2 { // The poller, if it was the first to need it.
		t.Errorf("%d descriptors are open after Close", n)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}
