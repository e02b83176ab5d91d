package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// A peer is one of the servers, and what is known of its health.
type peer struct {
	l        *RedLock
	p        *Provider // speaks to this server, and has its queue and its subscription
	addr     string
	guardian string // the name that the server gets if it has none

	raiseLock, raiseShared, raiseSlot, bootstrap *script

	mu       sync.Mutex
	server   string        // the name in its guard
	trip     time.Duration // smoothed round trip; 0: none was measured
	spread   time.Duration // its smoothed deviation
	misses   int           // requests without an answer in time since the last one
	down     bool          // the breaker is open
	probing  bool          // a probe is under way, or one is due
	fallen   chan struct{} // closed when the breaker opens; made when it closes
	muted    time.Time     // until when it is known not to vote
	heard    time.Time     // when it answered last
	trouble  error         // the last
	standing int           // waiters in its queue
	watching bool          // a goroutine looks after them
}

// failover is what a client that NewFailoverClient has made says that its address
// is.
const failover = "FailoverClient"

// newPeer makes the provider for one server. Its tokens are those of the whole, so
// an inspection finds the votes of one hold.
func (l *RedLock) newPeer(client goredis.UniversalClient) (*peer, error) {
	if _, ok := client.(*goredis.Client); !ok && client != nil {
		if _, err := newServers(client, &l.opts); err != nil {
			return nil, err
		}
		return nil, invalid("a %T cannot be used; pass a *redis.Client for each server", client)
	}
	if c, ok := client.(*goredis.Client); ok && c != nil && c.Options().Addr == failover {
		return nil, invalid("a failover client cannot be used: a replica that is promoted may lack votes that its master gave; pass a client of one server")
	}
	opts := l.opts
	opts.Observer = core.ObserverFunc(l.tell)
	p, err := newProvider(client, &opts)
	if err != nil {
		return nil, err
	}
	p.inst = l.inst
	d := dialect{
		lease: opts.Lease.Milliseconds(), claim: opts.Claim.Milliseconds(), wait: opts.WaitLease.Milliseconds(),
		retention: opts.TokenRetention.Milliseconds(), channel: p.channel(""), counts: true,
	}
	p.lock.acquire, p.shared.acquire = d.script("redlock_lock_acquire"), d.script("redlock_shared_acquire")
	p.slots = d.family("redlock_slot")
	x := &peer{
		l: l, p: p, addr: client.(*goredis.Client).Options().Addr,
		raiseLock:   d.script("redlock_lock_raise"),
		raiseShared: d.script("redlock_shared_raise"),
		raiseSlot:   d.script("redlock_slot_raise"),
		bootstrap:   d.script("redlock_bootstrap"),
		guardian:    newInst(),
		fallen:      make(chan struct{}),
	}
	return x, nil
}

// tell passes on what the observer should know of one server. What concerns a
// vote is told by the whole.
func (l *RedLock) tell(ctx context.Context, ev core.Event) {
	switch ev.Type {
	case core.EventDegraded, core.EventRecovered, core.EventProbeFailed:
		l.engine.Observe(ctx, ev)
	}
}

// identify takes in how the server calls itself, and returns an error if another one
// goes by the same name: then they are one server, and its vote would count twice.
func (x *peer) identify(server string) error {
	x.mu.Lock()
	same := x.server == server
	x.server = server
	x.mu.Unlock()
	if same || server == "" {
		return nil
	}
	for _, other := range x.l.peers {
		if other == x {
			continue
		}
		other.mu.Lock()
		twin := other.server == server
		other.mu.Unlock()
		if twin {
			x.mu.Lock()
			x.server = "" // Ask again.
			x.mu.Unlock()
			return &TroubleError{SameServer, "name each server once; if one was made from a copy of the other's data, delete the key " + x.l.guard() + " on it", errors.New(x.addr + " and " + other.addr)}
		}
	}
	return nil
}

// votes reports whether the server is known to be up and out of quarantine.
func (x *peer) votes() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.down && !time.Now().Before(x.muted)
}

// mute takes in that the server gives no vote for a while.
func (x *peer) mute(d time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.muted = time.Now().Add(min(d, time.Second))
}

// forget has Close send nothing to a server that is down.
func (x *peer) forget() {
	if !x.up() {
		x.p.owners.mu.Lock()
		x.p.owners.due = time.Time{}
		x.p.owners.mu.Unlock()
	}
}

// guard returns the key by which a server knows that it has its memory.
func (l *RedLock) guard() string { return l.opts.Prefix + ":guard" }
