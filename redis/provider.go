package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A Provider makes locks, reader-writer locks and semaphores that live in one
// Redis deployment: a server, a master watched by Sentinel, or a cluster. It
// implements core.Provider, core.Inspector and core.Breaker.
type Provider struct {
	opts    Options
	inst    string // names this provider to all others; random
	servers *servers
	engine  *driver.Engine
	closing <-chan struct{}         // closed when Close begins
	own     goredis.UniversalClient // to be closed with the provider, or nil

	lock, shared *family
	slots        *family // of semaphores, if they have one of their own

	calls    sync.Pool // of those that are used again
	bounded  bool      // every call ends in bounded time, whatever the server does
	seq      atomic.Uint64
	register register
	lines    lines
	receiver receiver
	owners   owners

	// background counts what is neither a call nor a hold of the engine: polls
	// and the answers to grants that nobody waits for.
	mu         sync.Mutex
	closed     bool
	background sync.WaitGroup
}

var (
	_ core.Provider  = (*Provider)(nil)
	_ core.Inspector = (*Provider)(nil)
	_ core.Breaker   = (*Provider)(nil)
)

// New returns a provider that uses client, a *redis.Client (also one made by
// NewFailoverClient) or a *redis.ClusterClient of go-redis. The client stays the
// caller's: Close does not close it, and it must stay open until then. New does
// no I/O. Errors match core.ErrInvalid.
//
// The driver resends commands that failed, by default; the provider's commands
// opt out of that, and would be harmless. A client of its own, as [Open] makes,
// keeps the provider apart from a pool that the application exhausts.
func New(client goredis.UniversalClient, opts *Options) (*Provider, error) {
	p, err := newProvider(client, opts)
	if err != nil {
		return nil, &core.Error{Op: "open", Err: err}
	}
	return p, nil
}

func newProvider(client goredis.UniversalClient, opts *Options) (*Provider, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Provider{opts: o, inst: newInst()}
	if p.servers, err = newServers(client, &p.opts); err != nil {
		return nil, err
	}
	p.bounded = p.servers.silence() <= o.Timeout && o.Timeout <= o.ReleaseTimeout
	p.engine, err = driver.New(driver.Config{
		Backend:        "redis",
		Observer:       o.Observer,
		Lease:          o.Lease,
		Renewer:        p,
		MaxHold:        o.MaxHold,
		ServerQueue:    true,
		BoundsItself:   p.bounded,
		ReleaseTimeout: o.ReleaseTimeout,
		// One lease, and the second look that follows a call without an answer.
		GiveBackTimeout: max(10*time.Second, o.Lease, 3*o.Timeout),
	})
	if err != nil {
		return nil, err
	}
	p.closing = p.engine.Context().Done()
	d := dialect{
		lease: o.Lease.Milliseconds(), claim: o.Claim.Milliseconds(), wait: o.WaitLease.Milliseconds(),
		retention: o.TokenRetention.Milliseconds(), channel: p.channel(""), counts: p.servers.cluster == nil,
	}
	p.lock, p.shared = d.family("lock"), d.family("shared")
	p.register.holds = make(map[uint64]*hold)
	p.lines.init(p)
	p.receiver.init(p)
	p.owners.init(p)
	return p, nil
}

// patient reports whether one who has that context may wait for a call until it is
// done: nobody can ask it to return earlier, and the call ends by itself. To listen
// to anything else costs as much as the wait.
func (p *Provider) patient(ctx context.Context) bool {
	if !p.bounded {
		return false
	}
	_, ends := ctx.Deadline()
	return !ends && driver.Uninterrupted(ctx)
}

// newInst returns 96 random bits: two providers never have the same.
func newInst() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // It never fails.
	return hex.EncodeToString(b[:])
}

// channel returns the channel of one provider.
func (p *Provider) channel(inst string) string { return p.opts.Prefix + ":n:" + inst }

// NewLock implements core.LockProvider.
func (p *Provider) NewLock(name string) core.Lock {
	return p.engine.NewLock(name, p.claimer(core.KindLock, name, 'w', 1))
}

// NewRWLock implements core.RWLockProvider.
func (p *Provider) NewRWLock(name string) core.RWLock {
	return p.engine.NewRWLock(name, p.claimer(core.KindRWLock, name, 'r', 0), p.claimer(core.KindRWLock, name, 'w', 0))
}

// NewSemaphore implements core.SemaphoreProvider.
func (p *Provider) NewSemaphore(name string, limit int) core.Semaphore {
	return p.engine.NewSemaphore(name, limit, p.claimer(core.KindSemaphore, name, 'r', limit))
}

// Close implements io.Closer. It closes the client if [Open] made it.
//
// It waits for every call that is under way, and leaves no goroutine, if the driver
// gives a silent server up by itself: its ReadTimeout and WriteTimeout are not longer
// than the Timeout, nor that than the ReleaseTimeout, as they are by default. A client
// without such limits may be kept by a server that is silent for ever, and nothing but
// the end of the connection gets it out of there. Close then waits for a
// ReleaseTimeout, and leaves behind the goroutines of the calls that the driver has not
// returned from: each ends when that does.
func (p *Provider) Close() error {
	err := p.engine.Close()
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	p.lines.close()
	p.background.Wait()
	if !first {
		return err
	}
	waitFor(p.receiver.close, p.ends(), p.opts.ReleaseTimeout)
	p.owners.withdraw()
	waitFor(p.servers.close, p.ends(), p.opts.ReleaseTimeout)
	if p.own != nil {
		_ = p.own.Close()
	}
	return err
}

// ends reports whether the driver returns from everything within the Timeout. It has no
// context to go by when it connects again for a subscription.
func (p *Provider) ends() bool {
	limit, _ := p.servers.limits()
	return p.bounded && limit > 0 && limit <= p.opts.Timeout
}

// waitFor calls wait, and returns when that has or, unless it is known to end, after a
// limit.
func waitFor(wait func(), ends bool, limit time.Duration) {
	if ends {
		wait()
		return
	}
	over := make(chan struct{})
	go func() {
		wait()
		close(over)
	}()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-over:
	case <-late.C:
	}
}

// aside runs f in a goroutine that Close waits for, unless that has begun.
func (p *Provider) aside(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.background.Go(f)
	}
}

// call sends one call, and waits for its answer or the end of ctx.
func (p *Provider) call(ctx context.Context, c *call) error {
	p.servers.do(ctx, c)
	return c.wait(ctx)
}
