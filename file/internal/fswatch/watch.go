//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package fswatch

import "time"

// A Watch is the interest in one open file. It must be removed before the file
// is closed.
type Watch struct {
	watcher *Watcher
	id      int    // of the kernel's watch, or the file's descriptor
	fd      int    // the file's descriptor
	path    string // the file's path
	listen  bool   // Freed is wanted
	notify  func(Event)

	echo int // echoes of a close that were sent
	due  time.Time
}

// The kernel tells that a file is being closed just before it gives up the lock,
// so whoever then tries at once comes too early. After a close Freed is told
// again, after these pauses.
var echoes = [...]time.Duration{100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond}

// A pending is the watches that have echoes to come.
type pending map[*Watch]struct{}

// add begins the echoes of a close.
func (p pending) add(x *Watch, now time.Time) {
	x.echo, x.due = 0, now.Add(echoes[0])
	p[x] = struct{}{}
}

// next returns when the next echo is due, or the zero time.
func (p pending) next() (due time.Time) {
	for x := range p {
		if due.IsZero() || x.due.Before(due) {
			due = x.due
		}
	}
	return due
}

// take returns the watches to be told now.
func (p pending) take(now time.Time) (told []*Watch) {
	for x := range p {
		if x.due.After(now) {
			continue
		}
		told = append(told, x)
		if x.echo++; x.echo == len(echoes) {
			delete(p, x)
			continue
		}
		x.due = now.Add(echoes[x.echo])
	}
	return told
}
