package lease

import "time"

// trust returns for how much of a term the client believes in a lease. The 1 %
// and 2 ms stand for the drift of two clocks and the granularity of timers, as
// in the Redlock algorithm (Redis documentation, "Distributed Locks with
// Redis").
func trust(term time.Duration) time.Duration {
	return term - term/100 - 2*time.Millisecond
}

// A Clock tells the time. Now carries a monotonic reading. Wall is compared by
// its wall reading only; nil: Now tells it too. They differ in tests alone.
type Clock struct {
	Now  func() time.Time
	Wall func() time.Time
}

// System is the clock of the machine.
func System() Clock { return Clock{Now: time.Now} }

// A Deadline is a moment on two clocks; it has passed when it has on either.
// The monotonic clock is not moved by anyone, but stands still while the machine
// is suspended; the wall clock goes on, but can be set. A hold that ends too
// early costs a retry; one that ends too late costs exclusion.
type Deadline struct {
	mono time.Time
	wall time.Time // without a monotonic reading
}

// After returns the deadline of a lease that the server counts for term from
// the moment that the two readings tell.
func (m Moment) After(term time.Duration) Deadline {
	d := trust(term)
	return Deadline{mono: m.mono.Add(d), wall: m.wall.Add(d)}
}

// A Moment is one reading of both clocks.
type Moment struct {
	mono time.Time
	wall time.Time
}

// Read reads the clock.
func (c Clock) Read() Moment {
	now := c.Now()
	if c.Wall == nil {
		return Moment{mono: now, wall: now.Round(0)}
	}
	return Moment{mono: now, wall: c.Wall().Round(0)}
}

// At returns the moment at which t was read from time.Now.
func (c Clock) At(t time.Time) Moment {
	if c.Wall == nil {
		return Moment{mono: t, wall: t.Round(0)}
	}
	// What the wall clock of a test is off is off for t too.
	offset := c.Wall().Round(0).Sub(c.Now().Round(0))
	return Moment{mono: t, wall: t.Round(0).Add(offset)}
}

// Passed reports whether the deadline has come.
func (d Deadline) Passed(now Moment) bool {
	return !now.mono.Before(d.mono) || !now.wall.Before(d.wall)
}

// earlier returns the deadline that is first on each clock.
func (d Deadline) earlier(e Deadline) Deadline {
	if e.mono.Before(d.mono) {
		d.mono = e.mono
	}
	if e.wall.Before(d.wall) {
		d.wall = e.wall
	}
	return d
}
