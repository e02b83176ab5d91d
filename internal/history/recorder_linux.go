package history

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Now returns CLOCK_MONOTONIC in nanoseconds: one clock for all processes of a
// machine, which nobody can set.
func Now() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err) // The kernel has this clock.
	}
	return ts.Nano()
}

// A Recorder writes down the operations of one process. What it has written
// survives the process, however that ends. Its methods may be called by several
// goroutines at once and cost no system call but that for the time.
type Recorder struct {
	mem   []byte
	page  *header
	slots []slot
}

// A header begins the file.
type header struct {
	magic    uint64
	capacity uint64
	used     atomic.Uint64 // slots taken; more than capacity if some were dropped
	killed   atomic.Int64  // when it was, by MarkKilled
	closed   atomic.Uint32 // 1: the process has ended by itself
	assured  atomic.Uint32 // 1: seats have assured their holds
	_        [24]byte

	sure [mostSeats]atomic.Int64 // by the seat's number: see Assure
}

// mostSeats bounds the numbers of the seats that may use [Recorder.Assure].
const mostSeats = 64

const magic = 0x6469737468697374

// A slot is one operation. Its state is stored after what it vouches for.
type slot struct {
	state   atomic.Uint32 // see slotBegun
	action  Action
	shared  bool
	outcome Outcome
	_       byte
	object  uint32
	seat    uint32
	call    int64
	ret     int64
	token   uint64
	_       uint64
}

const (
	slotBegun uint32 = 1 + iota // what was given to Begin is there
	slotEnded                   // all is there
)

const (
	headerSize = int(unsafe.Sizeof(header{}))
	slotSize   = int(unsafe.Sizeof(slot{}))
)

// Create makes the file, which must not exist, with room for so many operations.
// The file has holes where nothing is written yet.
func Create(path string, capacity int) (*Recorder, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(int64(headerSize + capacity*slotSize)); err != nil {
		return nil, err
	}
	r, err := mapFile(f, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return nil, err
	}
	r.page.capacity = uint64(capacity)
	r.page.magic = magic
	return r, nil
}

func mapFile(f *os.File, prot int) (*Recorder, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := int(info.Size())
	if size < headerSize || (size-headerSize)%slotSize != 0 {
		return nil, fmt.Errorf("history: %s is no record", f.Name())
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, size, prot, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", f.Name(), err)
	}
	r := &Recorder{mem: mem, page: (*header)(unsafe.Pointer(&mem[0]))}
	if n := (size - headerSize) / slotSize; n > 0 {
		r.slots = unsafe.Slice((*slot)(unsafe.Pointer(&mem[headerSize])), n)
	}
	return r, nil
}

// A Ticket is an operation that has begun.
type Ticket struct{ s *slot }

// Begin notes that an operation is about to be called. Of op it takes the object,
// which must be less than 1<<32, the seat, likewise, the action and the mode; and
// the token if it is a write.
func (r *Recorder) Begin(op Op) Ticket {
	s := r.slot(op)
	if s == nil {
		return Ticket{}
	}
	s.call = Now()
	s.state.Store(slotBegun)
	return Ticket{s}
}

// End notes that it has returned. token is that of an acquired hold, or 0.
func (r *Recorder) End(t Ticket, outcome Outcome, token uint64) {
	if t.s == nil {
		return
	}
	t.s.ret = Now()
	t.s.outcome = outcome
	if token != 0 {
		t.s.token = token
	}
	t.s.state.Store(slotEnded)
}

// Note notes an operation of which the caller knows all, such as [Lost]. Without
// a Call it is now; without a Return it is at the time of the call.
func (r *Recorder) Note(op Op) {
	s := r.slot(op)
	if s == nil {
		return
	}
	if op.Call == 0 {
		op.Call = Now()
	}
	if op.Return == 0 {
		op.Return = op.Call
	}
	s.call, s.ret, s.outcome = op.Call, op.Return, op.Outcome
	s.state.Store(slotEnded)
}

// Assure notes that the present hold of a seat, whose number is less than 64, was
// its own at that time. A process that is killed can say no more about its holds,
// and may have lost them without having had the time to notice. If it has assured
// any, each may have ended right after it was last assured, or asked for.
func (r *Recorder) Assure(seat uint64, at int64) {
	r.page.sure[seat].Store(at)
	r.page.assured.Store(1)
}

// slot returns the next one, or nil if the file is full, which [Read] reports.
func (r *Recorder) slot(op Op) *slot {
	n := r.page.used.Add(1)
	if n > uint64(len(r.slots)) {
		return nil
	}
	s := &r.slots[n-1]
	s.action, s.shared, s.token = op.Action, op.Shared, op.Token
	s.object, s.seat = uint32(op.Object), uint32(op.Seat)
	return s
}

// Close says that the process ends by itself, so that nothing of its is free but
// what it has released; and unmaps the file. No other method may be called then.
func (r *Recorder) Close() error {
	r.page.closed.Store(1)
	return unix.Munmap(r.mem)
}

// MarkKilled notes in the file of another process, which will not close it, the
// last time at which its holds were certainly its own. If it is killed out of
// health that is [Now], just before the signal is sent. If it, its server or its
// network had been stopped or cut before, and may not have noticed yet, it is the
// time of that.
func MarkKilled(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := mapFile(f, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return err
	}
	r.page.killed.Store(at)
	return unix.Munmap(r.mem)
}
