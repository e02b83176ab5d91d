package schedules

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
	"github.com/distlock/distlock-go/core/memory"
	"github.com/distlock/distlock-go/internal/history"
)

// A node plays a process: an engine with its way to the server.
type node struct {
	*wire
	id     int
	ctx    context.Context // of all its seats; ends when it crashes
	crash  context.CancelFunc
	claims atomic.Int64
	gaveUp atomic.Bool // the engine has told that it could not give something back

	store  *store // unless it is memory
	engine *driver.Engine

	provider core.Provider // of memory, or of the servers of a fleet
	roads    []*road       // to those
	shut     func()        // closes its clients
}

// cutOff has no message go through any more, or lets them pass again.
func (n *node) cutOff(cut bool) {
	n.cut.Store(cut)
	for _, r := range n.roads {
		r.cut.Store(cut)
	}
}

func (n *node) openEngine(s *store) error {
	n.store = s
	cfg := driver.Config{
		Backend:        string(n.Backend),
		Lease:          term,
		Renewer:        n,
		ServerQueue:    n.Backend == Queue,
		ReleaseTimeout: n.releaseTimeout(),
		Observer: core.ObserverFunc(func(_ context.Context, ev core.Event) {
			if ev.Type == core.EventGiveBackFailed {
				n.gaveUp.Store(true)
			}
		}),
	}
	if n.Defect == NoBackstop {
		cfg.Backstop = driver.Backstop{Min: time.Hour, Max: time.Hour}
	}
	e, err := driver.New(cfg)
	n.engine = e
	return err
}

func (n *node) openMemory(s *memory.Server) error {
	p, err := memory.New(&memory.Options{
		Server: s, Lease: term,
		Fault: func(ctx context.Context, _ memory.Message) error { return n.fault(ctx) },
	})
	n.provider = p
	return err
}

func (n *node) close() error {
	if n.provider != nil {
		err := n.provider.Close()
		if n.shut != nil {
			n.shut()
		}
		return err
	}
	return n.engine.Close()
}

// lock returns one side of the object as a lock.
func (n *node) lock(shared bool) core.Lock {
	const name = "object"
	var rw core.RWLock
	switch {
	case n.Kind == history.Lock && n.provider != nil:
		return n.provider.NewLock(name)
	case n.Kind == history.Lock:
		return n.engine.NewLock(name, n.claimer(false))
	case n.Kind == history.Semaphore && n.provider != nil && n.Defect == OneTooMany:
		return n.provider.NewSemaphore(name, n.limit+1)
	case n.Kind == history.Semaphore && n.provider != nil:
		return n.provider.NewSemaphore(name, n.limit)
	case n.Kind == history.Semaphore:
		return n.engine.NewSemaphore(name, n.limit, n.claimer(false))
	case n.provider != nil:
		rw = n.provider.NewRWLock(name)
	default:
		rw = n.engine.NewRWLock(name, n.claimer(true), n.claimer(false))
	}
	if shared {
		return core.Reader(rw)
	}
	return core.Writer(rw)
}

func (n *node) claimer(shared bool) driver.Claimer {
	c := claimer{n, shared}
	switch n.Backend {
	case Events:
		return waker{c}
	case Queue:
		return queuer{c}
	}
	return c
}

// A claimer makes attempts.
type claimer struct {
	n      *node
	shared bool
}

type waker struct{ claimer }

type queuer struct{ claimer }

type grant struct {
	token   uint64
	granted bool
}

// Claim implements driver.Claimer.
func (c claimer) Claim(ctx context.Context) (driver.Claim, error) {
	t := c.ticket()
	return c.ask(ctx, t, c.n.store.claim)
}

func (c claimer) ticket() ticket {
	return ticket{node: c.n.id, n: int(c.n.claims.Add(1)), shared: c.shared}
}

// ask sends one request about t that may grant it.
func (c claimer) ask(ctx context.Context, t ticket, do func(ticket) (uint64, bool)) (driver.Claim, error) {
	from := time.Now()
	g, err := call(ctx, c.n.wire, func() grant {
		token, granted := do(t)
		return grant{token, granted}
	})
	switch {
	case err != nil:
		c.giveBack(t)
		return nil, err
	case !g.granted:
		return nil, core.ErrNotAcquired
	}
	return c.claimed(t, g.token, from), nil
}

func (c claimer) claimed(t ticket, token uint64, from time.Time) claim {
	if c.n.Defect == ValidityFromTheEnd {
		from = time.Now()
	}
	return claim{c.n, t, token, from}
}

func (c claimer) giveBack(t ticket) {
	if c.n.Defect != NoGiveBack {
		c.n.engine.GiveBack(claim{n: c.n, t: t}.Release)
	}
}

// Wake implements driver.Waker. One event in three gets lost.
func (w waker) Wake() (<-chan struct{}, func(), error) {
	s := w.n.store
	told, wake := make(chan struct{}, 1), make(chan struct{}, 1)
	s.mu.Lock()
	s.wake[told] = true
	s.mu.Unlock()
	stop := make(chan struct{})
	r := w.n.rng(200+w.n.node, w.n.calls.Add(1))
	go func() {
		for {
			select {
			case <-told:
				if r.IntN(3) > 0 && !w.n.cut.Load() && w.n.Defect != NoBackstop {
					signal(wake)
				}
			case <-stop:
				return
			}
		}
	}()
	return wake, func() {
		s.mu.Lock()
		delete(s.wake, told)
		s.mu.Unlock()
		close(stop)
	}, nil
}

// Wait implements driver.Queuer: it lines up, and asks again when it is told of a
// grant, which may get lost, and in any case from time to time.
func (q queuer) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	s, t := q.n.store, q.ticket()
	pushed := make(chan struct{}, 1)
	s.mu.Lock()
	s.pushed[t] = pushed
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pushed, t)
		s.mu.Unlock()
	}()
	r := q.n.rng(300+q.n.node, q.n.calls.Add(1))
	told := false
	for {
		once, cancel := context.WithTimeout(ctx, term/4)
		from := time.Now()
		g, err := call(once, q.n.wire, func() grant {
			token, granted := s.poll(t)
			return grant{token, granted}
		})
		cancel()
		switch {
		case err == nil && g.granted:
			return q.claimed(t, g.token, from), nil
		case ctx.Err() != nil:
			q.giveBack(t)
			return nil, errors.Join(ctx.Err(), err)
		case err == nil && !told:
			busy(core.ErrNotAcquired)
			told = true
		}
		pause := time.NewTimer(between(r, term/20, term/4))
		if r.IntN(3) == 0 || q.n.Defect == NoBackstop {
			pushed = nil // It gets lost.
		}
		if q.n.Defect == NoBackstop {
			pause.Reset(time.Hour)
		}
		select {
		case <-pause.C:
		case <-pushed:
		case <-ctx.Done():
			pause.Stop()
			q.giveBack(t)
			return nil, ctx.Err()
		}
		pause.Stop()
	}
}

// A claim is a ticket that was granted.
type claim struct {
	n     *node
	t     ticket
	token uint64
	from  time.Time
}

// Token implements driver.Claim.
func (c claim) Token() uint64 { return c.token }

// Lease implements driver.Leased.
func (c claim) Lease() (time.Time, time.Duration) {
	if c.n.Defect == LongerThanTheServer {
		return c.from.Add(term / 4), term
	}
	return c.from, term
}

// Release implements driver.Claim.
func (c claim) Release(ctx context.Context) error {
	had, err := call(ctx, c.n.wire, func() bool { return c.n.store.release(c.t) })
	if err == nil && !had {
		return fmt.Errorf("%w: the server knows nothing of it", core.ErrLost)
	}
	return err
}

// Renew implements driver.Renewer.
func (n *node) Renew(ctx context.Context, claims []driver.Claim) []error {
	answers, err := call(ctx, n.wire, func() []bool {
		kept := make([]bool, len(claims))
		for i, c := range claims {
			kept[i] = n.store.renew(c.(claim).t)
		}
		return kept
	})
	errs := make([]error, len(claims))
	for i := range claims {
		switch {
		case err != nil:
			errs[i] = err
		case !answers[i] && n.Defect != DeafRenewal:
			errs[i] = core.ErrLost
		}
	}
	return errs
}
