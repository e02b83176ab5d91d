package redis

import (
	"fmt"
	"strings"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// Options change how a provider works. The zero value, and nil, mean the
// defaults. Every process that uses the same locks must use the same Prefix
// and HashTag and, with RedLock, the same Lease; the other options may differ from
// process to process.
type Options struct {
	// Prefix begins every key and channel. Default "distlock". It must be
	// printable ASCII without spaces, quotes, backslashes, braces and the
	// wildcards of Redis patterns.
	Prefix string

	// Lease is how long the server keeps a hold whose process has died. Holds are
	// renewed when a third of it has passed. Default 15 s, at least 100 ms.
	Lease time.Duration

	// MaxHold is the longest time for which a hold is renewed: a process that
	// hangs with a lock cannot keep it for longer. 0: no limit.
	MaxHold time.Duration

	// Claim is how long the server keeps a grant for a waiter that was told of it
	// until its first renewal arrives. Default 3 s, or the lease if that is
	// shorter.
	Claim time.Duration

	// WaitLease is how long a waiting process that has gone silent keeps its
	// places in queues. Each process speaks up, once per lock, when a third of it
	// has passed. Default 15 s, at least 100 ms.
	WaitLease time.Duration

	// TokenRetention is how long the last fencing token is remembered: of a Lock
	// since it was drawn, however long that is held, and of an RWLock or a Semaphore
	// since one was drawn or somebody held last. After that, tokens grow only by the
	// server's clock. Default 24 h; it must not be shorter than Lease.
	TokenRetention time.Duration

	// ReplicaAcks makes an acquire wait, on the same connection, until that many
	// replicas have the lock, or fail with an error that matches
	// core.ErrUnavailable. It narrows the window in which a failover forgets a
	// lock; it does not close it. Default 0: off.
	ReplicaAcks int

	// ReplicaTimeout is how long to wait for them. Default 500 ms.
	ReplicaTimeout time.Duration

	// Timeout bounds one call to the server: the client gives up after it, and the
	// server refuses to grant a lock to a request that it gets to see later.
	// Default 5 s.
	Timeout time.Duration

	// HashTag chooses the hash tag of a lock's keys, and so its slot in a cluster;
	// for an empty string it is the name. With the tag of the data that a lock
	// guards, a script of the application can compare the lock's token and write
	// the data in one step. It must be a pure function.
	HashTag func(name string) string

	// Owner is what others are told about this process as a holder. Default:
	// core.ThisProcess.
	Owner *core.Owner

	// Observer is told of events. Default: nobody is.
	Observer core.Observer

	// ReleaseTimeout bounds one release. Default 5 s. Where so many requests hang that
	// no more are sent, one that waits for those may take twice the Timeout.
	ReleaseTimeout time.Duration
}

// withDefaults returns the options to work with, or an error that matches
// core.ErrInvalid.
func (o *Options) withDefaults() (Options, error) {
	var r Options
	if o != nil {
		r = *o
	}
	if r.Prefix == "" {
		r.Prefix = "distlock"
	}
	setDefault(&r.Lease, 15*time.Second)
	setDefault(&r.Claim, min(3*time.Second, r.Lease))
	setDefault(&r.WaitLease, 15*time.Second)
	setDefault(&r.TokenRetention, max(24*time.Hour, r.Lease))
	setDefault(&r.ReplicaTimeout, 500*time.Millisecond)
	setDefault(&r.Timeout, 5*time.Second)
	setDefault(&r.ReleaseTimeout, 5*time.Second)
	if r.Owner == nil {
		owner := core.ThisProcess()
		r.Owner = &owner
	}
	return r, r.check()
}

func (o *Options) check() error {
	switch {
	case strings.IndexFunc(o.Prefix, badInPrefix) >= 0:
		return invalid("the prefix %q may not have spaces, quotes, backslashes, braces, wildcards or anything that is not printable ASCII", o.Prefix)
	case o.Lease < driver.MinLease:
		return invalid("the lease is %v; it must be at least %v", o.Lease, driver.MinLease)
	case o.Claim < driver.MinLease || o.Claim > o.Lease:
		return invalid("the claim is %v; it must be at least %v and at most the lease, %v", o.Claim, driver.MinLease, o.Lease)
	case o.WaitLease < driver.MinLease:
		return invalid("the wait lease is %v; it must be at least %v", o.WaitLease, driver.MinLease)
	case o.TokenRetention < o.Lease:
		return invalid("the token retention is %v; it must not be shorter than the lease, %v", o.TokenRetention, o.Lease)
	case max(o.Lease, o.WaitLease, o.TokenRetention) > longest:
		return invalid("no duration may be longer than %v", longest)
	case o.MaxHold < 0:
		return invalid("the longest hold is %v; it must not be negative", o.MaxHold)
	case o.ReplicaAcks < 0:
		return invalid("the number of replicas to wait for is %d; it must not be negative", o.ReplicaAcks)
	case o.ReplicaTimeout < time.Millisecond || o.Timeout < 10*time.Millisecond || o.ReleaseTimeout < 0:
		return invalid("a timeout is too short: replicas %v (at least 1ms), call %v (at least 10ms), release %v", o.ReplicaTimeout, o.Timeout, o.ReleaseTimeout)
	}
	return nil
}

// longest keeps every time that a script computes far below the 2^53 up to which
// its numbers are exact.
const longest = 20 * 365 * 24 * time.Hour

func badInPrefix(r rune) bool {
	return r <= ' ' || r > '~' || strings.ContainsRune(`"'\{}*?[]%`, r)
}

func setDefault(d *time.Duration, to time.Duration) {
	if *d == 0 {
		*d = to
	}
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", core.ErrInvalid, fmt.Sprintf(format, args...))
}
