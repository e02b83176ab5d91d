package fswatch

import "golang.org/x/sys/unix"

// freed: macOS tells of every unlock, also by a close or a crash.
const (
	freed  = unix.NOTE_FUNLOCK | unix.NOTE_WRITE
	closed = unix.NOTE_FUNLOCK
)
