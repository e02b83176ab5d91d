//go:build dragonfly || netbsd || openbsd

package fswatch

import "golang.org/x/sys/unix"

// freed: these systems tell of the bell only. After a crash the backstop must
// help.
const (
	freed  = unix.NOTE_WRITE
	closed = 0
)

// TellsOfClose says that a close is told too, and so the death of a process. If it
// is not, whoever waits must look now and then.
const TellsOfClose = false
