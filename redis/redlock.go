package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A RedLock makes locks, reader-writer locks and semaphores that live on several
// Redis servers which know nothing of each other, and that go on while a minority
// of them is down. It implements core.Provider, core.Inspector and core.Breaker.
//
// # Why a hold excludes all others
//
// A hold is a vote of more than half of all servers, whether they are up or not.
// Two such majorities have a server in common, and a server gives its vote to one
// holder at a time, so there is one holder. The same goes for one side of an
// RWLock: a server's vote for a writer excludes its votes for everybody else, so a
// writer's majority meets every reader's on a server that would have refused one
// of them. A Semaphore is not a majority of counters, since three servers with two
// permits each would let three holders have two votes each; its permits are
// slots with numbers, each of them a mutex by majority, and there are no more
// holders than slots.
//
// A vote ends with its lease. A hold counts from before its first request was
// sent, less 1 % for clocks that run at different rates, until the moment at which
// too few votes to make a majority would be left, and is renewed by a majority
// again. All delays, of the network as of this process, so make a hold end early
// and none lets it end late. What is given back carries the token of the one
// attempt that it is meant for, and every attempt after it has a new token, so a
// message that arrives late takes nothing from anybody.
//
// A server that restarts without its data would vote a second time while its
// first vote still counts. Each server therefore keeps a guard, a key without an
// expiry; one that lacks it gives no vote for the length of a lease, after which
// whatever it has forgotten is over. A server that forgets only its last seconds
// keeps its guard: so run the servers either without persistence, or with
// appendonly yes and appendfsync always; a snapshot, or appendfsync everysec,
// that is read back after a crash can break exclusion. Processes that share locks
// must use the same Lease here, because a guard can count no other.
//
// They must also name the same servers: a majority of a, b and c need not meet one
// of a, b and d. To replace a server, stop it for good, and then put the new one,
// empty, in its place, under the same name: it votes after the length of a lease,
// as one that has lost its data. To change their number, stop all programs first.
//
// A search through all states of a small model of these rules, which finds no
// violation, and finds one as soon as any rule is left out, is part of the
// project's tests.
//
// # What it cannot do
//
// Martin Kleppmann has criticized the algorithm ("How to do distributed
// locking", 2016), and is right in that no lock with a lease protects a resource
// by itself: a holder that is paused between looking at its handle and writing
// may write when the lock is another's. A handle tells the truth whenever it is
// asked, but nobody can ask at the moment at which the write arrives. Where that
// matters let the resource compare fencing tokens, and refuse one that is
// smaller than one it has seen.
//
// He also objects that RedLock has no such tokens. This one does: a token is
// stored on a majority of the servers before the hold begins, each attempt gets a
// greater one than its majority had stored, and any later majority has met it. No
// clock is trusted for that, with two exceptions: a register that nobody used for
// TokenRetention, or that went down with the data of its server, begins again from
// the time. A Lock that is held does not use its register, so that goes for one that
// is held for longer, too. Then tokens go on growing as long as the servers' clocks
// agree to within a quarter of the lease.
//
// Several permits of a Semaphore are votes of different slots, and a server gives its
// vote, and draws the token, for one while it has given none for another. So of those
// that are acquired at the same time one that was let in later, by a permit that was
// released meanwhile, may have the smaller token. Every token is greater than all that
// had been returned before its acquire was called, and than all of the same slot.
//
// His last objection stands: a lease is measured by clocks. They may differ by any
// amount, and a hold counts on their rates to agree to within 1 %, but a server
// whose clock is set forward ends its votes early, as does one that is made to
// forget them by hand. A hold that all servers had renewed outlives that on a
// minority of them. One that had only a majority, because the others were down,
// may then have a successor before it knows: it is told at its next renewal, a
// third of a lease later at most, and until then only tokens tell the two apart.
//
// # Order and costs
//
// An acquire that meets nobody costs one round trip, to all servers at the same
// time, and a release another one. Waiters stand in the queue of one server, the
// first that is up, which tells the next one when its turn has come; that one then
// collects the other votes. If processes disagree about which server that is, it
// costs time and order and nothing else; and order only among processes, because
// the waiters of one process pass on to the first of them what any of them wins. A
// server that does not answer in time is
// left out until a probe has reached it again, and so nobody waits for it. Votes
// that are missing are asked for again with each renewal.
type RedLock struct {
	opts   Options
	inst   string
	peers  []*peer
	quorum int
	engine *driver.Engine

	seq   atomic.Uint64 // of acquires
	known atomic.Uint64 // the greatest fencing token that was seen
	rows  rows

	background sync.WaitGroup // of requests and probes; what is started here ends by itself
	closing    sync.Once
}

var (
	_ core.Provider  = (*RedLock)(nil)
	_ core.Inspector = (*RedLock)(nil)
	_ core.Breaker   = (*RedLock)(nil)
	_ driver.Renewer = (*RedLock)(nil)
)

// NewRedLock returns a provider over one *redis.Client for each server. An odd number of
// servers is best: a fourth adds nothing to the one that three can do without.
// The clients stay the caller's: Close does not close them. NewRedLock does no
// I/O. Errors match core.ErrInvalid; Options.ReplicaAcks is one, because the
// servers have no replicas that count.
//
// When servers are used for the first time, they look like servers that have lost
// their data, and give no vote for the length of a lease. [RedLock.Bootstrap]
// spares that.
func NewRedLock(clients []goredis.UniversalClient, opts *Options) (*RedLock, error) {
	l, err := newRedLock(clients, opts)
	if err != nil {
		return nil, &core.Error{Op: "open", Err: err}
	}
	return l, nil
}

// OpenRedLock is [NewRedLock] for servers that are given as redis:// or rediss://
// URLs, or as host:port, with clients of its own that Close closes. It does no
// I/O: whether the servers are there shows at the first acquire, or by
// [RedLock.Check]. Errors match core.ErrInvalid.
func OpenRedLock(_ context.Context, servers []string, opts *Options) (*RedLock, error) {
	clients := make([]goredis.UniversalClient, 0, len(servers))
	shut := func() {
		for _, c := range clients {
			_ = c.Close()
		}
	}
	for i, server := range servers {
		o, err := serverOptions(server)
		if err != nil {
			shut()
			return nil, &core.Error{Op: "open", Err: invalid("server %d of %d is neither a redis:// URL nor host:port", i+1, len(servers))}
		}
		clients = append(clients, goredis.NewClient(o))
	}
	l, err := newRedLock(clients, opts)
	if err != nil {
		shut()
		return nil, &core.Error{Op: "open", Err: err}
	}
	for _, p := range l.peers {
		p.p.own = p.p.servers.universal
	}
	return l, nil
}

// serverOptions returns the driver's options for one server: timeouts are those of
// the calls, and what is sent again is up to this package. Errors may quote a password.
func serverOptions(server string) (*goredis.Options, error) {
	o := &goredis.Options{Addr: server}
	if strings.Contains(server, "://") {
		var err error
		if o, err = goredis.ParseURL(server); err != nil {
			return nil, err
		}
	} else if _, _, err := net.SplitHostPort(server); err != nil {
		return nil, err
	} else if strings.Contains(server, "@") {
		// An address is told in errors, and this would be a password in one.
		return nil, errors.New("a URL without its scheme")
	}
	o.ContextTimeoutEnabled, o.MaxRetries, o.DialerRetries = true, -1, 1
	return o, nil
}

func newRedLock(clients []goredis.UniversalClient, opts *Options) (*RedLock, error) {
	o, err := opts.withDefaults()
	switch {
	case err != nil:
		return nil, err
	case len(clients) == 0:
		return nil, invalid("RedLock needs at least one server")
	case o.ReplicaAcks > 0:
		return nil, invalid("ReplicaAcks does not go with RedLock: its servers have no replicas that count")
	}
	l := &RedLock{opts: o, inst: newInst(), quorum: len(clients)/2 + 1}
	l.engine, err = driver.New(driver.Config{
		Backend:        "redlock",
		Observer:       o.Observer,
		Lease:          o.Lease,
		Renewer:        l,
		MaxHold:        o.MaxHold,
		ServerQueue:    true,
		ReleaseTimeout: o.ReleaseTimeout,
	})
	if err != nil {
		return nil, err
	}
	seen := make(map[goredis.UniversalClient]bool)
	for i, c := range clients {
		if seen[c] {
			return nil, invalid("server %d of %d is named twice; each must be another one", i+1, len(clients))
		}
		seen[c] = true
		p, err := l.newPeer(c)
		if err != nil {
			return nil, fmt.Errorf("server %d of %d: %w", i+1, len(clients), err)
		}
		l.peers = append(l.peers, p)
	}
	// Processes that name the servers in another order still choose the same one to
	// wait at.
	slices.SortStableFunc(l.peers, func(a, b *peer) int { return strings.Compare(a.addr, b.addr) })
	for i := 1; i < len(l.peers); i++ {
		if l.peers[i].addr != "" && l.peers[i].addr == l.peers[i-1].addr {
			return nil, invalid("the server %s is named twice; each must be another one", l.peers[i].addr)
		}
	}
	return l, nil
}

// NewLock implements core.LockProvider.
func (l *RedLock) NewLock(name string) core.Lock {
	return l.engine.NewLock(name, l.claimer(core.KindLock, name, 'w', 1))
}

// NewRWLock implements core.RWLockProvider.
func (l *RedLock) NewRWLock(name string) core.RWLock {
	return l.engine.NewRWLock(name, l.claimer(core.KindRWLock, name, 'r', 0), l.claimer(core.KindRWLock, name, 'w', 0))
}

// NewSemaphore implements core.SemaphoreProvider.
func (l *RedLock) NewSemaphore(name string, limit int) core.Semaphore {
	return l.engine.NewSemaphore(name, limit, l.claimer(core.KindSemaphore, name, 'r', limit))
}

// Close implements io.Closer. It closes the clients if [OpenRedLock] made them. With
// clients that have no time limits it leaves goroutines behind as [Provider.Close] does.
func (l *RedLock) Close() error {
	err := l.engine.Close()
	l.closing.Do(func() {
		var all sync.WaitGroup
		ends := true
		for _, x := range l.peers {
			ends = ends && x.p.ends()
		}
		waitFor(l.background.Wait, ends, l.opts.ReleaseTimeout)
		for _, p := range l.peers {
			p.forget()
			all.Go(func() { _ = p.p.Close() })
		}
		all.Wait()
	})
	return err
}
