//go:build unix && !linux

package flock

import (
	"time"

	"golang.org/x/sys/unix"
)

// tick is longer than the coarsest clock by which a kernel dates changes, except
// for those that count in seconds: 10 ms, at 100 Hz.
const tick = 20 * time.Millisecond

// past reports whether changes of a file from now on bear a later time than t,
// which is one of its own.
func past(t unix.Timespec) bool { return time.Since(time.Unix(t.Unix())) > tick }
