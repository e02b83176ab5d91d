//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package fswatch

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Watcher watches files by one kqueue, at which one goroutine blocks.
type Watcher struct {
	kq   int
	stop [2]int // a pipe; what is written to its second end stops the goroutine
	done chan struct{}

	mu      sync.Mutex
	shut    bool           // kq is no more, or another's
	watches map[int]*Watch // by descriptor
	echoes  pending
}

// New returns a watcher. Its Close ends it.
func New() (*Watcher, error) {
	w := &Watcher{done: make(chan struct{}), watches: make(map[int]*Watch), echoes: make(pending)}
	if err := w.open(); err != nil {
		return nil, err
	}
	if err := w.control(w.stop[0], unix.EVFILT_READ, unix.EV_ADD, 0); err != nil {
		w.closeAll()
		return nil, err
	}
	go w.run()
	return w, nil
}

// open makes the descriptors. A process that is started meanwhile must not inherit
// them before they are close-on-exec.
func (w *Watcher) open() (err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if w.kq, err = unix.Kqueue(); err != nil {
		return fmt.Errorf("kqueue: %w", err)
	}
	unix.CloseOnExec(w.kq)
	if err := unix.Pipe(w.stop[:]); err != nil {
		_ = unix.Close(w.kq)
		return fmt.Errorf("kqueue: pipe: %w", err)
	}
	unix.CloseOnExec(w.stop[0])
	unix.CloseOnExec(w.stop[1])
	return nil
}

func (w *Watcher) closeAll() {
	for _, fd := range []int{w.kq, w.stop[0], w.stop[1]} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

func (w *Watcher) control(fd, filter, flags int, notes uint32) error {
	var ev unix.Kevent_t
	unix.SetKevent(&ev, fd, filter, flags)
	ev.Fflags = notes
	for {
		_, err := unix.Kevent(w.kq, []unix.Kevent_t{ev}, nil, nil)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("kqueue: watch: %w", err)
		}
	}
}

// Add watches an open file for Changed. notify must return soon; it is called by
// one goroutine, and no more once Close has returned.
func (w *Watcher) Add(fd int, path string, notify func(Event)) (*Watch, error) {
	x := &Watch{watcher: w, id: fd, fd: fd, path: path, notify: notify}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut {
		return nil, os.ErrClosed
	}
	if err := w.control(fd, unix.EVFILT_VNODE, unix.EV_ADD|unix.EV_CLEAR, changed); err != nil {
		return nil, err
	}
	w.watches[fd] = x
	return x, nil
}

const changed = unix.NOTE_DELETE | unix.NOTE_RENAME | unix.NOTE_LINK | unix.NOTE_REVOKE

// Listen begins or ends the telling of Freed.
func (x *Watch) Listen(on bool) error {
	w := x.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut || w.watches[x.id] != x {
		return os.ErrClosed // Its descriptor may be that of another file by now.
	}
	notes := uint32(changed)
	if on {
		notes |= freed
	}
	x.listen = on
	return w.control(x.fd, unix.EVFILT_VNODE, unix.EV_ADD|unix.EV_CLEAR, notes)
}

// Remove ends the watch. A call of notify may still be under way.
func (x *Watch) Remove() {
	w := x.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.echoes, x)
	if w.watches[x.id] == x {
		delete(w.watches, x.id)
		if !w.shut {
			_ = w.control(x.fd, unix.EVFILT_VNODE, unix.EV_DELETE, 0)
		}
	}
}

// Close ends the watcher and waits for notify to return. Its watches end
// with it, and leave its descriptor alone: the number may soon be that of another.
func (w *Watcher) Close() error {
	w.mu.Lock()
	w.shut = true
	w.mu.Unlock()
	_, _ = unix.Write(w.stop[1], []byte{0}) // The close tells nothing if another process has the pipe too.
	_ = unix.Close(w.stop[1])
	w.stop[1] = -1
	<-w.done
	w.closeAll()
	return nil
}

func (w *Watcher) run() {
	defer close(w.done)
	events := make([]unix.Kevent_t, 64)
	for {
		n, err := unix.Kevent(w.kq, nil, events, w.timeout())
		if err != nil && !errors.Is(err, unix.EINTR) {
			return // Waiters go on by polling.
		}
		for _, ev := range events[:max(n, 0)] {
			fd := int(ev.Ident) //nolint:unconvert,nolintlint // The type differs by platform.
			if fd == w.stop[0] {
				return
			}
			w.dispatch(fd, uint32(ev.Fflags)) //nolint:unconvert // The type differs by platform.
		}
		w.mu.Lock()
		told := w.echoes.take(time.Now())
		w.mu.Unlock()
		for _, x := range told {
			x.notify(Freed)
		}
	}
}

// timeout returns the time until the next echo, or nil.
func (w *Watcher) timeout() *unix.Timespec {
	w.mu.Lock()
	due := w.echoes.next()
	w.mu.Unlock()
	if due.IsZero() {
		return nil
	}
	ts := unix.NsecToTimespec(int64(max(time.Until(due), 0)))
	return &ts
}

func (w *Watcher) dispatch(fd int, notes uint32) {
	w.mu.Lock()
	x := w.watches[fd]
	if x != nil && x.listen && notes&closed != 0 {
		w.echoes.add(x, time.Now())
	}
	w.mu.Unlock()
	if x == nil {
		return
	}
	var what Event
	if notes&freed != 0 {
		what |= Freed
	}
	if notes&changed != 0 {
		what |= Changed
	}
	x.notify(what)
}
