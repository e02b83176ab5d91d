package fswatch

import "golang.org/x/sys/unix"

// freed: FreeBSD tells of a close, and so of a crash.
const (
	freed  = unix.NOTE_CLOSE | unix.NOTE_CLOSE_WRITE | unix.NOTE_WRITE
	closed = unix.NOTE_CLOSE | unix.NOTE_CLOSE_WRITE
)

// TellsOfClose says that a close is told too, and so the death of a process. If it
// is not, whoever waits must look now and then.
const TellsOfClose = true
