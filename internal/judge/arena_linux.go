package judge

import (
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Seats is how many may take part: a bit each in a word.
const Seats = 64

const maxCases = 1 << 20 // The file of the arena has holes where none are.

// An Arena is the memory that the processes share. It outlives any of them.
type Arena struct {
	Stop    atomic.Uint32
	Calm    atomic.Uint32 // 1: the torment is over, and nothing may fail any more
	Cases   atomic.Uint32
	High    atomic.Uint64 // the greatest token so far
	Alone   atomic.Uint64 // the greatest token of one who may not share
	Epoch   atomic.Uint64 // odd while somebody is being killed
	Inside  atomic.Uint64 // seats that are in
	Shared  atomic.Uint64 // those of them that are readers
	Holds   atomic.Uint64
	Losses  atomic.Uint64 // handles that said, on leaving, that the hold was lost
	Behind  atomic.Uint64 // tokens that were not greater than all before
	Failed  Complaints    // acquires that failed for no good reason
	Shied   Complaints    // acquires that were refused when all was well again
	Leaked  Complaints    // what processes have left behind in themselves
	Refused atomic.Uint64 // acquires that a backend refused
	Written Register      // the resource that is guarded
	Stops   atomic.Uint64 // who was inside has slept for longer than its lease
	Misled  atomic.Uint64 // of these, was then told by its handle that it holds
	Woken   atomic.Int64  // the most nanoseconds from its waking until it was told
	Waking  atomic.Int64  // of these, the most in which the machine let its process run
	Latest  atomic.Int64  // the same until the end of a hold was told that had another cause
	Beyond  atomic.Int64  // and the most by which that was longer than it may be
	Excused atomic.Int64  // when a server's clock was set last: see its user

	Woke [Seats]atomic.Int64 // when a seat's process was last woken that had slept past its lease

	cases [maxCases]Case
}

// A Case is what one seat has found on entering: whom it may not be inside
// together with. It is numbered before the look, so that whoever comes in after
// the look begins with a later one, and does not answer for an earlier stay.
type Case struct {
	Looked   atomic.Uint32 // 1: Seats is valid
	Seats    atomic.Uint64 // who was in; 0: nobody who may not
	Answered atomic.Uint64 // who has said whether it holds
	Lost     atomic.Uint64 // who has said that it does not
	Killed   atomic.Uint64 // who can answer no more
}

// OpenArena maps the arena in a file, which must have room for it.
func OpenArena(path string) (*Arena, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := int(unsafe.Sizeof(Arena{}))
	if err := f.Truncate(int64(size)); err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the arena: %w", err)
	}
	return (*Arena)(unsafe.Pointer(&mem[0])), nil
}

// Close unmaps the memory. What is in the file stays.
func (a *Arena) Close() error {
	return unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(a)), unsafe.Sizeof(*a)))
}

// Enter says that a seat is in, and opens a case if that may not be. limit is how
// many may be in together; readers may be among themselves.
func (a *Arena) Enter(seat int, shared bool, limit int) {
	me := uint64(1) << seat
	if shared {
		a.Shared.Or(me)
	} else {
		a.Shared.And(^me)
	}
	a.Inside.Or(me)
	i := a.Cases.Add(1) - 1
	inside, readers := a.look()
	if shared {
		inside &^= readers
		limit = 0
	}
	if i >= maxCases {
		return
	}
	if bits.OnesCount64(inside) > limit {
		a.cases[i].Seats.Store(inside | me)
	}
	a.cases[i].Looked.Store(1)
}

// look returns who is in, and is not being killed, and who of them reads. It
// looks again if anybody was killed meanwhile.
func (a *Arena) look() (inside, readers uint64) {
	for {
		epoch := a.Epoch.Load()
		inside, readers = a.Inside.Load(), a.Shared.Load()
		if epoch&1 == 0 && a.Epoch.Load() == epoch {
			return inside, readers
		}
		runtime.Gosched()
	}
}

// Dooming marks the time in which somebody is killed.
func (a *Arena) Dooming() (done func()) {
	a.Epoch.Add(1)
	return func() { a.Epoch.Add(1) }
}

// Answer answers the cases, of a number or above, in which a seat is in, and
// returns the number of the next case to come. held is asked after the case was
// opened: an answer from before would tell nothing.
func (a *Arena) Answer(seat int, from uint32, held func() bool) (next uint32) {
	me := uint64(1) << seat
	n := min(a.Cases.Load(), maxCases)
	for i := from; i < n; i++ {
		c := &a.cases[i]
		for wait := 0; c.Looked.Load() == 0 && wait < 1000; wait++ {
			runtime.Gosched() // Who has opened it may have been killed.
		}
		if c.Seats.Load()&me == 0 {
			continue
		}
		if !held() {
			c.Lost.Or(me)
		}
		c.Answered.Or(me)
	}
	return n
}

// Leave says that a seat is out.
func (a *Arena) Leave(seat int) { a.Inside.And(^(uint64(1) << seat)) }

// Kill says that seats can answer no more, and are out.
func (a *Arena) Kill(seats uint64) {
	for i := range min(a.Cases.Load(), maxCases) {
		c := &a.cases[i]
		if dead := seats & c.Seats.Load() &^ c.Answered.Load(); dead != 0 {
			c.Killed.Or(dead)
		}
	}
	a.Inside.And(^seats)
}

// Draw takes in a token, and reports whether it is greater than it must be: than
// all before or, for one who shares, than those of all who were alone.
func (a *Arena) Draw(token uint64, shared bool) bool {
	if shared {
		fine := token > a.Alone.Load()
		raise(&a.High, token)
		return fine
	}
	raise(&a.Alone, token)
	return raise(&a.High, token)
}

// Raise raises a word to v.
func Raise(w *atomic.Int64, v int64) {
	for was := w.Load(); v > was && !w.CompareAndSwap(was, v); was = w.Load() {
	}
}

// raise sets a word to v, and reports whether v is greater than what it was.
func raise(w *atomic.Uint64, v uint64) bool {
	for {
		was := w.Load()
		if v <= was {
			return false
		}
		if w.CompareAndSwap(was, v) {
			return true
		}
	}
}

// Complaints are errors that should not have been. Only the first is kept.
type Complaints struct {
	n     atomic.Uint64
	first [256]byte
}

// Add takes one in.
func (c *Complaints) Add(err error) {
	if c.n.Add(1) == 1 {
		copy(c.first[:255], err.Error())
	}
}

// Count returns how many there were.
func (c *Complaints) Count() uint64 { return c.n.Load() }

// First returns the text of the first one.
func (c *Complaints) First() string { return unix.ByteSliceToString(c.first[:]) }

// Verdict counts the cases: those in which everybody said to hold, those in which
// somebody said that the hold was lost, and those that stay open.
func (a *Arena) Verdict() (violations, explained, open int) {
	for i := range min(a.Cases.Load(), maxCases) {
		c := &a.cases[i]
		switch {
		case c.Seats.Load() == 0:
		case c.Lost.Load() != 0:
			explained++
		case c.Answered.Load() == c.Seats.Load():
			violations++
		default:
			open++
		}
	}
	return violations, explained, open
}
