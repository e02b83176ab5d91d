package fswatch

import "golang.org/x/sys/unix"

// freed: macOS tells of every unlock, also by a close or a crash.
const (
	freed  = unix.NOTE_FUNLOCK | unix.NOTE_WRITE
	closed = unix.NOTE_FUNLOCK
)

// TellsOfClose says that a close is told too, and so the death of a process. If it
// is not, whoever waits must look now and then.
const TellsOfClose = true
