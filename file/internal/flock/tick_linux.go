package flock

import "golang.org/x/sys/unix"

// past reports whether changes of a file from now on bear a later time than t,
// which is one of its own. Linux dates them by this clock, or more finely.
func past(t unix.Timespec) bool {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now) != nil {
		return false
	}
	return now.Sec > t.Sec || now.Sec == t.Sec && now.Nsec > t.Nsec
}
