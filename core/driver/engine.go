package driver

import (
	"context"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/internal/backoff"
	"github.com/distlock/distlock-go/core/internal/lease"
	"github.com/distlock/distlock-go/core/internal/queue"
)

// An Engine is the machinery of one provider. All methods may be called by
// several goroutines at once.
type Engine struct {
	cfg    Config
	clock  lease.Clock
	lines  queue.Table
	leases *lease.Scheduler // nil: no leases

	ctx  context.Context // ends when Close begins, with cause core.ErrClosed
	stop context.CancelCauseFunc

	// undoing ends a ReleaseTimeout after Close began, and with it the patience of
	// give-backs that are older than that.
	undoing context.Context
	abandon context.CancelFunc

	mu     sync.Mutex
	closed bool
	holds  *hold // all that are held, the newest first
	net    net   // under handles that are dropped

	// work counts what Close waits for: calls, holds and background goroutines.
	// Once closed is set, only what it counts adds to it.
	work     sync.WaitGroup
	finished chan struct{} // closed when Close is done
}

// New returns an engine, or an error that matches core.ErrInvalid.
func New(cfg Config) (*Engine, error) {
	return newEngine(cfg, lease.System())
}

func newEngine(cfg Config, clock lease.Clock) (*Engine, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, clock: clock, net: net{works: canCatch()}, finished: make(chan struct{})}
	e.ctx, e.stop = context.WithCancelCause(context.Background())
	e.undoing, e.abandon = context.WithCancel(context.Background())
	if cfg.Lease > 0 {
		e.leases = lease.NewScheduler(lease.Config{
			Term:    cfg.Lease,
			MaxHold: cfg.MaxHold,
			Clock:   clock,
			Renew:   e.renew,
		})
	}
	return e, nil
}

// Context ends when Close begins.
func (e *Engine) Context() context.Context { return e.ctx }

// Close ends the engine: acquires fail with core.ErrClosed, holds are lost and
// then given back, and it waits for the calls and the background work that are
// under way: for give-backs, no longer than Config.ReleaseTimeout. What waits at
// the server sees its context end. The backend should close its connections only
// afterwards. Closing again waits for the first.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		<-e.finished
		return nil
	}
	e.closed = true
	var held []*hold
	for h := e.holds; h != nil; h = h.next {
		held = append(held, h)
	}
	e.mu.Unlock()

	e.stop(core.ErrClosed)
	e.foldUp()
	for _, h := range held {
		h.lose(core.ErrClosed)
	}
	timer := time.AfterFunc(e.cfg.ReleaseTimeout, e.abandon)
	e.work.Wait()
	timer.Stop()
	e.abandon()
	if e.leases != nil {
		e.leases.Close()
	}
	close(e.finished)
	return nil
}

// begin counts a call in, unless the engine is closed.
func (e *Engine) begin() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return core.ErrClosed
	}
	e.work.Add(1)
	return nil
}

// background runs f in a goroutine that Close waits for. Its caller must be
// counted in work itself.
func (e *Engine) background(f func()) {
	e.work.Go(f)
}

// GiveBack calls undo in the background until it returns nil or an error that
// matches core.ErrLost, with pauses, for no longer than Config.GiveBackTimeout, and
// than Config.ReleaseTimeout once the engine is being closed. undo must give back
// what an attempt of unknown outcome may have taken. It must be called by a Claim,
// Wait or Release that is under way, or by another undo, so that Close waits for
// it.
func (e *Engine) GiveBack(undo func(ctx context.Context) error) {
	e.background(func() { e.giveBack(undo, core.Event{Type: core.EventGiveBackFailed}) })
}

func (e *Engine) giveBack(undo func(ctx context.Context) error, failed core.Event) {
	start := e.clock.Now()
	parent, timeout := e.undoing, e.cfg.GiveBackTimeout
	if e.ctx.Err() != nil { // Close waits for this, which has only begun.
		parent, timeout = context.Background(), e.cfg.ReleaseTimeout
	}
	ctx, cancel := context.WithTimeout(parent, timeout)
	defer cancel()
	pause := backoff.Backoff{Min: 20 * time.Millisecond, Max: time.Second}
	for {
		once, cancel := context.WithTimeout(ctx, e.cfg.ReleaseTimeout)
		err := undo(once)
		cancel()
		if gone(err) {
			return
		}
		if sleep(ctx, pause.Next()) != nil {
			failed.Err, failed.Duration = err, e.clock.Now().Sub(start)
			e.Observe(context.Background(), failed)
			return
		}
	}
}

// renew adapts the backend's Renewer to the scheduler.
func (e *Engine) renew(ctx context.Context, holders []lease.Holder) []error {
	claims := make([]Claim, len(holders))
	for i, h := range holders {
		claims[i] = h.(*hold).claim
	}
	return e.cfg.Renewer.Renew(ctx, claims)
}

// Observe tells the observer, if there is one, of an event of this backend. A
// panic of the observer ends here.
func (e *Engine) Observe(ctx context.Context, ev core.Event) {
	if e.cfg.Observer == nil {
		return
	}
	ev.Backend = e.cfg.Backend
	defer func() { _ = recover() }()
	e.cfg.Observer.Observe(ctx, ev)
}

// sleep waits for d, or returns ctx.Err() when ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
