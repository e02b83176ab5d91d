package redis

import (
	"context"
	"errors"
	"slices"
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

// How long a server has to answer: a few of its round trips, and at least long
// enough for a pause of the runtime or of the scheduler. A server that was never
// heard of must be dialled first.
const (
	leastPatience = 100 * time.Millisecond
	firstPatience = 500 * time.Millisecond
	probePause    = 300 * time.Millisecond
	mostPause     = time.Second
	watchPause    = 200 * time.Millisecond
)

// patience returns how long to wait for an answer before going on without it.
func (x *peer) patience() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	d := firstPatience
	if x.trip > 0 {
		d = max(leastPatience, 4*(x.trip+2*x.spread))
	}
	return min(d<<min(x.misses, 3), x.l.opts.Lease/4, x.l.opts.Timeout)
}

// shortly returns about the time in which a message that was sent to all servers
// has reached the slowest.
func (x *peer) shortly() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return min(max(x.trip/4, time.Millisecond), 50*time.Millisecond)
}

// answered takes in that the server has answered.
func (x *peer) answered(took time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.trip == 0 {
		x.trip, x.spread = took, took/2
	} else {
		x.spread += (max(took-x.trip, x.trip-took) - x.spread) / 4
		x.trip += (took - x.trip) / 8
	}
	x.heard, x.misses, x.trouble = time.Now(), 0, nil
	if x.down {
		x.down = false
		x.fallen = make(chan struct{})
	}
}

// missed takes in that the server has not answered, in time or at all. One that is
// late once may be busy; one that is late twice, or refuses, is down.
func (x *peer) missed(err error, late bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.misses++
	x.trouble = err
	if !x.down && (!late || x.misses > 1) {
		x.down = true
		close(x.fallen)
	}
	if x.down && !x.probing {
		x.probing = true
		x.l.background.Go(x.probe)
	}
}

// probe asks a server that is down whether it is up again, until it is. Only this
// waits for it: the breaker closes when there is an answer, and not before.
func (x *peer) probe() {
	pause := probePause
	for sleep(x.l.engine.Context(), pause) == nil {
		if x.ping() == nil {
			break
		}
		pause = min(2*pause, mostPause)
	}
	x.mu.Lock()
	x.probing = false
	again := x.down && x.l.engine.Context().Err() == nil
	x.probing = again
	x.mu.Unlock()
	if again {
		x.probe()
	}
}

// ping makes one round trip.
func (x *peer) ping() error {
	ping := x.p.plain("", "ping")
	x.p.servers.sendApart([]*call{ping})
	ctx, cancel := context.WithTimeout(x.l.engine.Context(), x.patience())
	defer cancel()
	err := ping.wait(ctx)
	if err == nil {
		x.answered(ping.back.Sub(ping.sent))
	}
	return err
}

// up reports whether the breaker is closed.
func (x *peer) up() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.down
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

// falls returns a channel that is closed when the server goes down.
func (x *peer) falls() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.fallen
}

func (x *peer) lastTrouble() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.trouble == nil {
		return errors.New("it did not answer in time")
	}
	return x.trouble
}

// stand counts a waiter into the server's queue. A server that freezes sends
// nothing, so while somebody waits it is asked now and then, unless it was heard
// of anyway, once for all waiters of this process.
func (x *peer) stand() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.standing++
	if !x.watching {
		x.watching = true
		x.l.background.Go(x.watch)
	}
}

func (x *peer) unstand() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.standing--
}

func (x *peer) watch() {
	for {
		over := sleep(x.l.engine.Context(), watchPause) != nil
		x.mu.Lock()
		if over || x.standing == 0 {
			x.watching = false
			x.mu.Unlock()
			return
		}
		quiet := !x.down && time.Since(x.heard) >= watchPause
		x.mu.Unlock()
		if !quiet {
			continue
		}
		if err := x.ping(); err != nil && x.l.engine.Context().Err() == nil {
			x.missed(err, errors.Is(err, context.DeadlineExceeded))
		}
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

// forget has Close send nothing to a server that is down.
func (x *peer) forget() {
	if !x.up() {
		x.p.owners.mu.Lock()
		x.p.owners.due = time.Time{}
		x.p.owners.mu.Unlock()
	}
}

// clock estimates the servers' time in microseconds: the median of what their
// last replies said, so that neither this machine's clock nor that of one server
// decides. 0: none has replied.
func (l *RedLock) clock() uint64 {
	now := time.Now()
	var all []uint64
	for _, x := range l.peers {
		x.p.servers.only().clock.read(now, func(us uint64) { all = append(all, us) })
	}
	if len(all) == 0 {
		return uint64(now.UnixMicro())
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// read tells the server's time at t, if it is known.
func (s *serverClock) read(t time.Time, tell func(us uint64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sent.IsZero() {
		tell(uint64(s.ms*1000 + t.Sub(s.back).Microseconds()))
	}
}

// guard returns the key by which a server knows that it has its memory.
func (l *RedLock) guard() string { return l.opts.Prefix + ":guard" }
