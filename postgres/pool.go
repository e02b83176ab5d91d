package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A pool keeps the sessions of a provider: those that carry holds, and those on
// which acquires wait. They are the same kind of session, but never the same one:
// a session whose server process waits can neither release nor notice anything.
type pool struct {
	dialer *dialer
	opts   *Options
	common int64     // the flag that is shown whenever another one is
	local  listeners // to releases of this process

	closing <-chan struct{} // closed when the provider begins to close

	ctx  context.Context // ends when the pool is closed
	stop context.CancelFunc
	work sync.WaitGroup // dials, and the sessions that are closing

	connected atomic.Bool // a dial has succeeded at some time

	mu       sync.Mutex
	sessions map[*session]struct{} // all that have not ended
	carriers []*session            // those that carry holds
	opening  *opening              // of the next carrier, or nil
	failures int                   // of dials, in a row
	holds    int                   // on carriers and waiters, and attempts at them
	idle     []*session            // to wait on, and not in use
	waiters  int                   // sessions to wait on, idle or not
	closed   bool
}

// An opening is a dial that several callers wait for.
type opening struct {
	done chan struct{}
	err  error
}

func newPool(d *dialer, closing <-chan struct{}) *pool {
	p := &pool{dialer: d, opts: d.opts, closing: closing, common: hashKey(d.opts.Namespace, "", "", "flag"), sessions: make(map[*session]struct{})}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// carrier returns a session with room for a hold, which it reserves; leave gives
// it back.
func (p *pool) carrier(ctx context.Context) (*session, error) {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return nil, core.ErrClosed
		}
		if p.holds >= p.opts.MaxHolds {
			p.mu.Unlock()
			return nil, fmt.Errorf("%w: this provider may hold %d (Options.MaxHolds)", ErrTooManyHolds, p.opts.MaxHolds)
		}
		if s := p.roomy(); s != nil {
			s.load++
			p.holds++
			p.mu.Unlock()
			return s, nil
		}
		o := p.open()
		p.mu.Unlock()
		select {
		case <-o.done:
			if o.err != nil {
				return nil, o.err
			}
		case <-p.closing:
			return nil, core.ErrClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: connecting: %w", core.ErrUnavailable, ctx.Err())
		}
	}
}

// roomy returns the first live session that has room, so that the later ones run
// empty and are closed. mu is held.
func (p *pool) roomy() *session {
	for i := 0; i < len(p.carriers); {
		switch s := p.carriers[i]; {
		case !s.alive():
			p.carriers = slices.Delete(p.carriers, i, i+1)
		case s.load < p.opts.HoldsPerSession:
			return s
		default:
			i++
		}
	}
	return nil
}

// leave gives back n places that carrier reserved.
func (p *pool) leave(s *session, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.load -= n
	p.holds -= n
}

// open begins to open a carrier, unless that is under way. mu is held.
func (p *pool) open() *opening {
	if p.opening != nil {
		return p.opening
	}
	o := &opening{done: make(chan struct{})}
	p.opening = o
	pause := p.pause()
	p.work.Go(func() {
		s, err := p.dial(pause)
		p.mu.Lock()
		p.opening, o.err = nil, err
		if err == nil {
			p.carriers = append(p.carriers, s)
		}
		p.mu.Unlock()
		close(o.done)
	})
	return o
}

// pause returns how long to wait before the next dial: after failures, longer
// and longer, up to a second. mu is held.
func (p *pool) pause() time.Duration {
	if p.failures == 0 {
		return 0
	}
	d := min(time.Second, 10*time.Millisecond<<min(p.failures, 10))
	return d/2 + rand.N(d/2+1)
}

// dial opens a session. No caller's context bounds it, because others may wait
// for it as well; the connect timeout and Close do.
func (p *pool) dial(pause time.Duration) (*session, error) {
	select {
	case <-time.After(pause):
	case <-p.ctx.Done():
		return nil, core.ErrClosed
	}
	conn, facts, err := p.dialer.connect(p.ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ctx.Err() != nil:
		if err == nil {
			hangUp(conn)
		}
		return nil, core.ErrClosed
	case err != nil:
		p.failures++
		return nil, err
	}
	p.failures = 0
	p.connected.Store(true)
	s := newSession(conn, facts, p)
	p.sessions[s] = struct{}{}
	return s, nil
}

// forget is the last thing that a session does.
func (p *pool) forget(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, s)
}

// waiter returns a session to wait on, or nil if all that there may be are in
// use. It counts as a hold, for which it is going to be used. release gives it
// back.
func (p *pool) waiter() (*session, error) {
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		return nil, core.ErrClosed
	case p.holds >= p.opts.MaxHolds:
		p.mu.Unlock()
		return nil, fmt.Errorf("%w: this provider may hold %d (Options.MaxHolds)", ErrTooManyHolds, p.opts.MaxHolds)
	}
	for n := len(p.idle); n > 0; n = len(p.idle) {
		s := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if s.alive() {
			p.holds++
			p.mu.Unlock()
			return s, nil
		}
		p.waiters--
	}
	if p.waiters >= p.opts.MaxWaiters {
		p.mu.Unlock()
		return nil, nil
	}
	p.waiters++
	p.holds++
	pause := p.pause()
	p.mu.Unlock()
	s, err := p.dial(pause)
	if err != nil {
		p.mu.Lock()
		p.waiters--
		p.holds--
		p.mu.Unlock()
		return nil, err
	}
	return s, nil
}

// release takes back a session that waiter returned, and that holds nothing now.
func (p *pool) release(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holds--
	if s.alive() {
		p.idle = append(p.idle, s)
	} else {
		p.waiters--
	}
}

// retire reports whether a session that was idle for long may be closed, and
// forgets it then. The session's watch asks.
func (p *pool) retire(s *session) bool {
	if s.used.ago() < p.opts.IdleTimeout {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range p.carriers {
		if c == s && c.load == 0 {
			p.carriers = append(p.carriers[:i:i], p.carriers[i+1:]...)
			return true
		}
	}
	for i, w := range p.idle {
		if w == s {
			p.idle = append(p.idle[:i:i], p.idle[i+1:]...)
			p.waiters--
			return true
		}
	}
	return false
}

// close closes all sessions and waits for their goroutines.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	p.work.Wait() // No dial is under way now, and none will be.
	p.mu.Lock()
	var all []*session
	for s := range p.sessions {
		all = append(all, s)
	}
	p.mu.Unlock()
	for _, s := range all {
		s.close()
	}
	for _, s := range all {
		<-s.over
	}
}
