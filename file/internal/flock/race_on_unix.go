//go:build race && (darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd)

package flock

import "golang.org/x/sys/unix"

// The race detector does not know that a file lock orders one holder after the
// other. It does know that what was done before a write happens before what is
// done after a read; so, under it, a release begins with a write, to no file, and
// an acquire ends with a read.

func (f *File) acquired() {
	var b [1]byte
	_, _ = unix.Pread(f.fd, b[:], 0)
}

func (f *File) releasing() { _, _ = unix.Pwrite(-1, nil, 0) }
