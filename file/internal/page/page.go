// Package page gives access to the first page of a file, as words that processes
// share.
//
// On a local file system the page is mapped into memory: reading and writing it
// costs nothing, wakes nobody who watches the file, and is atomic by the word.
// Elsewhere it is read and written as a whole, so only one process at a time may
// use it.
package page

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"unsafe"
)

// Size is the size of a page, whatever the machine's is.
const Size = 4096

// ErrFault means that the file does not have the page any more: it was truncated,
// or the disk has no room for it or cannot read it.
var ErrFault = errors.New("the first page of the lock file cannot be accessed")

// A Page is the page of one open file.
type Page struct {
	mem []byte // the mapping, or a copy of the page

	file    file     // nil: mem is a mapping
	written []extent // what was written to the copy, in order of place
}

// An extent is a part of the page: from lo to before hi.
type extent struct{ lo, hi int }

type file interface {
	io.ReaderAt
	io.WriterAt
}

// Copy returns the page of a file that is not mapped.
func Copy(f file) *Page {
	return &Page{mem: make([]byte, Size), file: f}
}

// Mapped reports whether the page is memory that processes share. If it is not,
// only one at a time may use it.
func (p *Page) Mapped() bool { return p.file == nil }

// Do calls use, which may call the other methods. It must not be called twice at
// the same time for a page that is not mapped.
//
// Touching mapped memory that the file no longer has is a fault, and the fault
// of a Go program is its end unless the goroutine has asked for a panic. Do asks,
// and returns an error that matches ErrFault; use ends where it was.
func (p *Page) Do(use func()) (err error) {
	if p.file != nil {
		return p.doCopy(use)
	}
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if cause := recover(); cause != nil {
			err = p.fault(cause)
		}
	}()
	use()
	return nil
}

// fault returns the error for a panic by a fault of this page; any other panic
// goes on.
func (p *Page) fault(cause any) error {
	f, ok := cause.(interface {
		error
		Addr() uintptr
	})
	start := uintptr(unsafe.Pointer(unsafe.SliceData(p.mem)))
	if !ok || f.Addr() < start || f.Addr() >= start+uintptr(len(p.mem)) {
		panic(cause)
	}
	return ErrFault
}

// doCopy reads the page, lets it be used, and writes back what was written to it and
// nothing in between, which others may have written meanwhile. Whoever dies at it may
// have written some of it, as with a mapping.
func (p *Page) doCopy(use func()) error {
	n, err := p.file.ReadAt(p.mem, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", ErrFault, err)
	}
	clear(p.mem[n:])
	p.written = p.written[:0]
	use()
	for _, x := range p.written {
		if _, err := p.file.WriteAt(p.mem[x.lo:x.hi], int64(x.lo)); err != nil {
			return fmt.Errorf("%w: %w", ErrFault, err)
		}
	}
	return nil
}

// word returns the word at an offset that is a multiple of 8.
func (p *Page) word(off int) *uint64 { return (*uint64)(unsafe.Pointer(&p.mem[off])) }

// Load returns the word at off.
func (p *Page) Load(off int) uint64 { return atomic.LoadUint64(p.word(off)) }

// Store sets the word at off.
func (p *Page) Store(off int, v uint64) {
	atomic.StoreUint64(p.word(off), v)
	p.wrote(off, 8)
}

// CompareAndSwap sets the word at off to v if it is old.
func (p *Page) CompareAndSwap(off int, old, v uint64) bool {
	if !atomic.CompareAndSwapUint64(p.word(off), old, v) {
		return false
	}
	p.wrote(off, 8)
	return true
}

// Write copies b to off. Unlike a word it may be seen half written.
func (p *Page) Write(off int, b []byte) { p.wrote(off, copy(p.mem[off:], b)) }

// Read copies what is at off to b. It may see what is half written.
func (p *Page) Read(off int, b []byte) { copy(b, p.mem[off:]) }

func (p *Page) wrote(off, n int) {
	if p.file == nil {
		return
	}
	// Extents that touch become one.
	x := extent{off, off + n}
	from, _ := slices.BinarySearchFunc(p.written, x.lo, func(w extent, lo int) int { return cmp.Compare(w.hi, lo) })
	to := from
	for ; to < len(p.written) && p.written[to].lo <= x.hi; to++ {
		x.lo, x.hi = min(x.lo, p.written[to].lo), max(x.hi, p.written[to].hi)
	}
	p.written = slices.Replace(p.written, from, to, x)
}

// Words returns the words of b, a page as it is in a file.
func Words(b []byte) func(off int) uint64 {
	return func(off int) uint64 { return binary.NativeEndian.Uint64(b[off:]) }
}
