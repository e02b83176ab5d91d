package fswatch

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A log takes in events.
type log struct {
	mu     sync.Mutex
	events []Event
	more   chan struct{}
}

func newLog() *log { return &log{more: make(chan struct{}, 100)} }

func (l *log) add(e Event) {
	l.mu.Lock()
	l.events = append(l.events, e)
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// wait waits for an event, and returns what was told until then.
func (l *log) wait(t *testing.T, want Event) (told []Event) {
	t.Helper()
	timeout := time.After(5 * time.Second)
	for {
		told = append(told, l.take()...)
		if slices.ContainsFunc(told, func(e Event) bool { return e&want != 0 }) {
			return told
		}
		select {
		case <-l.more:
		case <-timeout:
			t.Fatalf("event %v was not told", want)
		}
	}
}

// take returns what was told since.
func (l *log) take() (told []Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	told, l.events = l.events, nil
	return told
}

type fixture struct {
	*Watcher
	path string
	fd   int
}

func watched(t *testing.T) fixture {
	t.Helper()
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(t.TempDir(), "x")
	return fixture{w, path, open(t, path)}
}

func open(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if _, err := unix.Pwrite(fd, []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	return fd
}

func ring(t *testing.T, fd int) {
	t.Helper()
	var b [1]byte
	if _, err := unix.Pread(fd, b[:], 0); err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, f fixture, fd int, l *log, listen bool) *Watch {
	t.Helper()
	x, err := f.Add(fd, f.path, l.add)
	if err == nil && listen {
		err = x.Listen(true)
	}
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestChanges(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"unlink":      os.Remove,
		"rename away": func(path string) error { return os.Rename(path, path+"2") },
		"rename over": func(path string) error {
			if err := os.WriteFile(path+"2", nil, 0o600); err != nil {
				return err
			}
			return os.Rename(path+"2", path)
		},
		"rm -r": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			f, l := watched(t), newLog()
			add(t, f, f.fd, l, false)
			if err := change(f.path); err != nil {
				t.Fatal(err)
			}
			l.wait(t, Changed)
		})
	}
}

func TestFreedIsToldToThoseWhoListen(t *testing.T) {
	f, l, quiet := watched(t), newLog(), newLog()
	x := add(t, f, f.fd, l, true)
	other := open(t, f.path)
	y := add(t, f, other, quiet, false) // The same inode, by another descriptor.
	ring(t, other)
	l.wait(t, Freed)
	y.Remove()
	ring(t, f.fd)
	l.wait(t, Freed)
	if err := x.Listen(false); err != nil {
		t.Fatal(err)
	}
	// Events come in order: the ring must not be among those before the unlink.
	ring(t, f.fd)
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	for _, e := range append(l.wait(t, Changed), quiet.take()...) {
		if e&Freed != 0 {
			t.Error("Freed was told to one who does not listen")
		}
	}
}

// A close is told before the lock is free, so it is told again, and then no more.
func TestCloseEchoes(t *testing.T) {
	f, l := watched(t), newLog()
	add(t, f, f.fd, l, true)
	fd, err := unix.Open(f.path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	told := l.wait(t, Freed)
	for pending := 1; pending > 0; {
		told = append(told, l.wait(t, Freed)...)
		f.mu.Lock()
		pending = len(f.echoes)
		f.mu.Unlock()
	}
	if told = append(told, l.take()...); len(told) > 1+len(echoes) {
		t.Errorf("one close was told %d times", len(told))
	}
}

func TestRemoveEndsTheTelling(t *testing.T) {
	f, l := watched(t), newLog()
	x := add(t, f, f.fd, l, true)
	x.Remove()
	second := open(t, filepath.Join(filepath.Dir(f.path), "y"))
	m := newLog()
	add(t, f, second, m, true)
	ring(t, f.fd)
	ring(t, second)
	m.wait(t, Freed)
	if told := l.take(); len(told) > 0 {
		t.Errorf("%v was told of a file that is not watched", told)
	}
}

// A watch that is removed after the watcher was closed does not touch another one
// that has got the number of its descriptor.
func TestRemoveAfterClose(t *testing.T) {
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	path, l := filepath.Join(t.TempDir(), "x"), newLog()
	f := fixture{w, path, open(t, path)}
	x := add(t, f, f.fd, newLog(), true)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	other := watched(t)
	if other.Watcher.fd != w.fd {
		t.Skip("it has got another number")
	}
	add(t, other, other.fd, l, true)
	if err := x.Listen(false); err == nil {
		t.Error("a closed watcher takes orders")
	}
	if _, err := w.Add(f.fd, f.path, func(Event) {}); err == nil {
		t.Error("a closed watcher takes files")
	}
	x.Remove()
	ring(t, other.fd)
	l.wait(t, Freed)
}

// If the kernel had to drop events, everybody is told of everything.
func TestOverflowTellsAll(t *testing.T) {
	f, l := watched(t), newLog()
	add(t, f, f.fd, l, false)
	var ev [unix.SizeofInotifyEvent]byte
	binary.NativeEndian.PutUint32(ev[:], math.MaxUint32) // of no watch
	binary.NativeEndian.PutUint32(ev[4:], unix.IN_Q_OVERFLOW)
	f.dispatch(ev[:])
	l.wait(t, Freed)
	f.dispatch(ev[:])
	l.wait(t, Changed)
}
