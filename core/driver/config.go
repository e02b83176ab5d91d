package driver

import (
	"fmt"
	"time"

	"github.com/distlock/distlock-go/core"
)

// Config says how an [Engine] works. Fields that are not set take the defaults.
type Config struct {
	// Backend is the name of the backend in events and identities.
	Backend string

	// Observer is told of events; nil: nobody is.
	Observer core.Observer

	// Lease is how long the server keeps a claim after its last renewal. 0 means
	// that claims do not lapse. Otherwise Renewer must be set.
	Lease   time.Duration
	Renewer Renewer

	// MaxHold is the longest hold; a lease is not renewed beyond it, and the hold
	// is lost. 0: no limit. It needs a Lease.
	MaxHold time.Duration

	// ServerQueue says that every waiter of this process stands in the server's
	// own queue. Otherwise they stand in line here and only the head waits at the
	// server.
	ServerQueue bool

	// NeverBlocks says that Claim and Release do no I/O that could block, so they
	// need no timeout, and that Claim is so cheap that every acquire should begin
	// with it.
	NeverBlocks bool

	// BoundsItself says that Claim, Wait and Release end in bounded time whatever
	// the server does, and that Claim and Wait end when [Engine.Context] does. The
	// engine then passes the caller's context as it is: one with a timeout costs
	// more than half of an acquire and release that share their round trips.
	BoundsItself bool

	// Backstop is the pause between attempts of a wait that no event wakes.
	Backstop Backstop

	// ReleaseTimeout bounds one release. Default 5 s.
	ReleaseTimeout time.Duration

	// GiveBackTimeout bounds the attempts, in the background, to give back what
	// nobody holds. Default: 10 s, or the lease if that is longer.
	GiveBackTimeout time.Duration

	// LocalHandoff lets a release pass the hold to the next waiter of this
	// process, if the backend's claims are [Successive]. It is off by default,
	// because waiters of other processes are passed over.
	LocalHandoff Handoff
}

// A Backstop is a pause that doubles from Min to Max, with jitter. It starts
// again from Min after an event. Defaults: 50 ms and 1 s.
type Backstop struct {
	Min, Max time.Duration
}

// A Handoff bounds how long a hold may be passed on within the process: at most
// Count times in a row, and no longer than For since the server granted it.
type Handoff struct {
	Count int
	For   time.Duration
}

func (c Config) withDefaults() (Config, error) {
	setDefault(&c.Backstop.Min, 50*time.Millisecond)
	setDefault(&c.Backstop.Max, max(time.Second, c.Backstop.Min))
	setDefault(&c.ReleaseTimeout, 5*time.Second)
	setDefault(&c.GiveBackTimeout, max(10*time.Second, c.Lease))
	switch {
	case c.Backend == "":
		return c, invalid("a backend must have a name")
	case c.Lease < 0 || c.Lease > 0 && c.Lease < MinLease:
		return c, invalid("the lease is %v; it must be at least %v", c.Lease, MinLease)
	case c.Lease > 0 && c.Renewer == nil:
		return c, invalid("a backend with leases must renew them")
	case c.MaxHold < 0 || c.MaxHold > 0 && c.Lease == 0:
		return c, invalid("the longest hold is %v; it must not be negative, and needs a lease", c.MaxHold)
	case c.Backstop.Min < 0 || c.Backstop.Max < c.Backstop.Min:
		return c, invalid("the backstop grows from %v to %v; it must be above 0 and not shrink", c.Backstop.Min, c.Backstop.Max)
	case c.ReleaseTimeout < 0 || c.GiveBackTimeout < 0:
		return c, invalid("a timeout is negative")
	case c.LocalHandoff.Count < 0 || c.LocalHandoff.For < 0:
		return c, invalid("local hand-over is bounded by %d times and %v; neither may be negative", c.LocalHandoff.Count, c.LocalHandoff.For)
	case c.LocalHandoff.Count > 0 && c.LocalHandoff.For == 0:
		return c, invalid("local hand-over must be bounded in time too")
	}
	return c, nil
}

// MinLease is the shortest lease: with a shorter one, the margin for drift and
// the delays of an ordinary machine would leave nothing.
const MinLease = 100 * time.Millisecond

func setDefault(d *time.Duration, to time.Duration) {
	if *d == 0 {
		*d = to
	}
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", core.ErrInvalid, fmt.Sprintf(format, args...))
}
