//go:build darwin || dragonfly || freebsd || illumos || netbsd || openbsd

package flock

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// Sync makes what was written durable.
func (f *File) Sync() error {
	if err := retry(func() error { return unix.Fsync(f.fd) }); err != nil {
		return &fs.PathError{Op: "sync", Path: f.path, Err: err}
	}
	return nil
}

// Ring wakes whoever watches the file for an unlock, of which only macOS tells:
// every kqueue knows of a write.
func (f *File) Ring() {
	var b [1]byte
	_, _ = unix.Pwrite(f.fd, b[:], RingOffset)
}
