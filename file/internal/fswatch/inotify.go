//go:build linux

package fswatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Watcher watches files by one inotify instance, of which each user has few
// (128 by default), and one goroutine in the runtime's poller.
type Watcher struct {
	fd   int
	file *os.File // the same, in the runtime's poller
	done chan struct{}
	due  time.Time // when the goroutine is to look in any case

	mu      sync.Mutex
	shut    bool             // fd is no more, or another's
	watches map[int][]*Watch // by watch descriptor: one inode may be open twice
	echoes  pending
}

const (
	changed = unix.IN_ATTRIB | unix.IN_MOVE_SELF | unix.IN_DELETE_SELF
	closed  = unix.IN_CLOSE_WRITE | unix.IN_CLOSE_NOWRITE
	freed   = unix.IN_ACCESS | closed
)

// TellsOfClose says that a close is told too, and so the death of a process. If it
// is not, whoever waits must look now and then.
const TellsOfClose = true

// New returns a watcher. Its Close ends it.
func New() (*Watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	w := &Watcher{
		fd:      fd,
		file:    os.NewFile(uintptr(fd), "inotify"),
		done:    make(chan struct{}),
		watches: make(map[int][]*Watch),
		echoes:  make(pending),
	}
	go w.run()
	return w, nil
}

// Add watches an open file for Changed. notify must return soon; it is called by
// one goroutine, and no more once Close has returned.
func (w *Watcher) Add(fd int, path string, notify func(Event)) (*Watch, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut {
		return nil, os.ErrClosed
	}
	x := &Watch{watcher: w, fd: fd, path: path, notify: notify}
	id, err := w.watch(x, changed|unix.IN_MASK_ADD)
	if err != nil {
		return nil, err
	}
	x.id = id
	w.watches[id] = append(w.watches[id], x)
	return x, nil
}

// watch sets what the kernel tells of a file. The descriptor names the inode for
// certain; the path, which is for a system without /proc, may name another by
// now, which the caller notices as it checks the file after adding the watch.
func (w *Watcher) watch(x *Watch, mask uint32) (int, error) {
	id, err := unix.InotifyAddWatch(w.fd, "/proc/self/fd/"+strconv.Itoa(x.fd), mask)
	if errors.Is(err, unix.ENOENT) {
		id, err = unix.InotifyAddWatch(w.fd, x.path, mask)
	}
	if err != nil {
		return 0, fmt.Errorf("inotify: watch: %w", err)
	}
	return id, nil
}

// Listen begins or ends the telling of Freed.
func (x *Watch) Listen(on bool) error {
	w := x.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shut {
		return os.ErrClosed
	}
	was := w.mask(x.id)
	x.listen = on
	if mask := w.mask(x.id); mask != was {
		_, err := w.watch(x, mask)
		return err
	}
	return nil
}

// wanted returns what of an event a watch wants to be told of.
func (x *Watch) wanted(what Event) Event {
	if !x.listen {
		what &^= Freed
	}
	return what
}

// mask returns what is wanted of an inode.
func (w *Watcher) mask(id int) uint32 {
	if slices.ContainsFunc(w.watches[id], func(x *Watch) bool { return x.listen }) {
		return changed | freed
	}
	return changed
}

// Remove ends the watch. A call of notify may still be under way.
func (x *Watch) Remove() {
	w := x.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.echoes, x)
	rest := slices.DeleteFunc(w.watches[x.id], func(other *Watch) bool { return other == x })
	if len(rest) > 0 {
		w.watches[x.id] = rest
		return
	}
	delete(w.watches, x.id)
	if !w.shut {
		_, _ = unix.InotifyRmWatch(w.fd, uint32(x.id))
	}
}

// Close ends the watcher and waits for notify to return. Its watches end
// with it, and leave its descriptor alone: the number may soon be that of another.
func (w *Watcher) Close() error {
	w.mu.Lock()
	w.shut = true
	w.mu.Unlock()
	err := w.file.Close()
	<-w.done
	return err
}

func (w *Watcher) run() {
	defer close(w.done)
	buf := make([]byte, 64<<10)
	for {
		n, err := w.file.Read(buf)
		expired := errors.Is(err, os.ErrDeadlineExceeded)
		switch {
		case err == nil:
			w.dispatch(buf[:n])
		case !expired:
			return // Closed.
		}
		w.echo(expired)
	}
}

// echo tells of closes again, and sets the time of the next look. A time that has
// expired is set again even if it stays the same: it may have expired a moment
// early, and until then no read succeeds.
func (w *Watcher) echo(expired bool) {
	w.mu.Lock()
	var due time.Time
	if len(w.echoes) > 0 {
		now := time.Now()
		for _, x := range w.echoes.take(now) {
			w.mu.Unlock()
			x.notify(Freed)
			w.mu.Lock()
		}
		due = w.echoes.next()
	}
	w.mu.Unlock()
	if expired || !due.Equal(w.due) {
		w.due = due
		_ = w.file.SetReadDeadline(due)
	}
}

// dispatch tells of the events in buf; see inotify(7) for their form.
func (w *Watcher) dispatch(buf []byte) {
	for len(buf) >= unix.SizeofInotifyEvent {
		id := int(int32(binary.NativeEndian.Uint32(buf)))
		mask := binary.NativeEndian.Uint32(buf[4:])
		length := int(binary.NativeEndian.Uint32(buf[12:]))
		buf = buf[unix.SizeofInotifyEvent+length:]
		if mask&unix.IN_Q_OVERFLOW != 0 {
			w.tell(Freed|Changed, w.all) // What is lost may have been anything.
			continue
		}
		var what Event
		if mask&freed != 0 {
			what |= Freed
		}
		if mask&(changed|unix.IN_UNMOUNT|unix.IN_IGNORED) != 0 {
			what |= Changed
		}
		w.tell(what, func() []*Watch {
			if mask&closed != 0 {
				for _, x := range w.watches[id] {
					w.echoes.add(x, time.Now())
				}
			}
			return slices.Clone(w.watches[id])
		})
	}
}

// all returns every watch.
func (w *Watcher) all() (all []*Watch) {
	for _, watches := range w.watches {
		all = append(all, watches...)
	}
	return all
}

// tell calls notify of the watches that whom returns, which is called with the
// mutex held, with what they want to be told of.
func (w *Watcher) tell(what Event, whom func() []*Watch) {
	w.mu.Lock()
	told := slices.DeleteFunc(whom(), func(x *Watch) bool { return x.wanted(what) == 0 })
	w.mu.Unlock()
	for _, x := range told {
		x.notify(what)
	}
	if len(told) > 0 {
		runtime.Gosched() // Let whoever was woken run before the next look for events.
	}
}
