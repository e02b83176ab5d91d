package page

import (
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// HasBells says that [Page.Listen] works here.
const HasBells = true

// Listen puts the thread to sleep until [Page.Wake], by whichever process, unless
// the bell at off has been struck since [Page.Strokes] was seen; but no longer than
// most, as what strikes it may be unable to. It says whether it could sleep. The
// page must be mapped, and stay so.
func (p *Page) Listen(off int, seen uint32, most time.Duration) bool {
	ts := unix.NsecToTimespec(int64(most))
	const wait = 0 // FUTEX_WAIT, among processes
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(p.bell(off))), wait, uintptr(seen),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
	switch errno {
	case 0, unix.EAGAIN, unix.EINTR, unix.ETIMEDOUT:
		return true
	}
	return false
}

// Wake ends the sleep of all who listen to the bell at off, wherever they are. They
// must find it struck.
func (p *Page) Wake(off int) {
	const wake, all = 1, 1<<31 - 1 // FUTEX_WAKE
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(p.bell(off))), wake, all, 0, 0, 0)
}

// bell returns a bell, which has the size of a futex.
func (p *Page) bell(off int) *uint32 { return (*uint32)(unsafe.Pointer(&p.mem[off])) }

// Strokes returns how often a bell was struck.
func (p *Page) Strokes(off int) uint32 { return atomic.LoadUint32(p.bell(off)) }

// Strike strikes a bell. Whoever listens must be woken afterwards.
func (p *Page) Strike(off int) { atomic.AddUint32(p.bell(off), 1) }
