package flock

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// Sync makes what was written durable.
func (f *File) Sync() error {
	if err := retry(func() error { return unix.Fdatasync(f.fd) }); err != nil {
		return &fs.PathError{Op: "sync", Path: f.path, Err: err}
	}
	return nil
}

// Ring wakes whoever watches the file for an unlock: flock(2) tells nobody of
// it. A read does, as IN_ACCESS, and is cheaper than a write, which would have
// to set the time of change. There is nothing to read, and so nothing told, in a
// file that somebody has truncated; a write gives it its length back.
func (f *File) Ring() {
	var b [1]byte
	if n, _ := unix.Pread(f.fd, b[:], 0); n == 0 {
		_, _ = unix.Pwrite(f.fd, b[:], RingOffset)
		_, _ = unix.Pread(f.fd, b[:], 0)
	}
}
