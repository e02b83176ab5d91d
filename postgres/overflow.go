package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// errRoom ends an overflow because there is a session to wait on again.
var errRoom = errors.New("there is a connection to wait on")

// overflow waits without a session of its own: it shows a flag, so that releases
// notify it, and makes another attempt after each notification. Attempts that
// only follow the backstop are lazy: those of all names share a round trip.
// Waits of other processes stand in the server's queue and go first, so it
// changes over to one as soon as there is room.
func (q *queue) overflow(ctx context.Context, l waiter) (driver.Claim, error) {
	q.engine.Observe(ctx, l.event(core.EventDegraded, errFull))
	o := &overflowed{waiter: l, queue: q, ctx: ctx}
	return q.engine.Retry(ctx, o, nil, o.try)
}

// An overflowed wait implements driver.Waker.
type overflowed struct {
	waiter
	queue    *queue
	ctx      context.Context
	session  *session // on which it listens
	listener *listener
}

// try makes an attempt: an urgent one at first and when it was notified, else a
// lazy one. It gives way to a wait on a session, and begins to listen again if
// the session on which it did is lost.
func (o *overflowed) try(ctx context.Context) (driver.Claim, error) {
	if o.queue.pool.room() || o.session != nil && !o.session.alive() {
		return nil, errRoom
	}
	return o.poll(ctx, o.listener != nil && !o.listener.told.Swap(false))
}

// Wake implements driver.Waker.
func (o *overflowed) Wake() (<-chan struct{}, func(), error) {
	c, err := o.queue.pool.carrier(o.ctx)
	if err != nil {
		return nil, nil, err
	}
	defer o.queue.pool.leave(c, 1)
	flag, l := o.key().flag, newListener(c)
	l.told.Store(true)
	flags := []*raised{raise(c, o.queue.pool.common), raise(c, flag)}
	stop := func() {
		c.unsubscribe(flag, l)
		for _, f := range flags {
			f.lower()
		}
	}
	c.subscribe(flag, l)
	c.add(flags[0].op, flags[1].op)
	for _, f := range flags { // One that is made again may have its outcome last.
		select {
		case <-f.op.done:
			err = errors.Join(err, f.op.err)
		case <-o.ctx.Done():
			err = o.ctx.Err()
		}
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	o.session, o.listener = c, l
	return l.ch, stop, nil
}

// A raised flag is one that a wait shows on a session which others show it on, too:
// it is taken down as often as it was raised, because once more would take down
// another wait's, whose releases then nobody tells.
type raised struct {
	session *session
	op      *op
	state   atomic.Int32 // 0 until it shows or is not wanted any more
}

const (
	shows    int32 = iota + 1
	unwanted       // before it showed
)

func raise(s *session, flag int64) *raised {
	r := &raised{session: s, op: dropped(simple(opRaise, Int64Key(flag)))}
	h, _ := r.op.owner.(hooks)
	h.ending = func() {
		if r.op.err == nil && !r.state.CompareAndSwap(0, shows) {
			s.add(lower(r.op.key))
		}
	}
	r.op.owner = h
	return r
}

// lower takes the flag down, now or when it shows. It is called once.
func (r *raised) lower() {
	if !r.state.CompareAndSwap(0, unwanted) {
		r.session.add(lower(r.op.key))
	}
}

// lower returns an op that takes a flag down. It travels with undos, so that it is
// not carried out a second time because of what others do.
func lower(flag Key) *op {
	o := simple(opLower, flag)
	o.undoes = true
	return o
}

// room reports whether a session to wait on is or may become available.
func (p *pool) room() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle) > 0 || p.waiters < p.opts.MaxWaiters
}

// channel is the one on which releases are told to those who show a flag.
func channel(flag int64) string { return channelPrefix + strconv.FormatUint(uint64(flag), 16) }

// A listener is told of notifications.
type listener struct {
	session *session
	ch      chan struct{} // has room for one
	told    atomic.Bool   // set before ch is sent to
}

func newListener(s *session) *listener { return &listener{session: s, ch: make(chan struct{}, 1)} }

func (l *listener) tell() {
	l.told.Store(true)
	signal(l.ch)
}

// listeners are those of one process, by flag. A session that shows a flag itself
// does not see it, so a release is told within the process, too.
type listeners struct {
	mu   sync.Mutex
	all  map[int64][]*listener
	some atomic.Bool
}

func (ls *listeners) tell(flag int64) {
	if !ls.some.Load() {
		return
	}
	ls.mu.Lock()
	all := slices.Clone(ls.all[flag])
	ls.mu.Unlock()
	for _, l := range all {
		l.tell()
		l.session.flushNow()
	}
}

func (ls *listeners) add(flag int64, l *listener) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.all == nil {
		ls.all = make(map[int64][]*listener)
	}
	ls.all[flag] = append(ls.all[flag], l)
	ls.some.Store(true)
}

func (ls *listeners) remove(flag int64, l *listener) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if i := slices.Index(ls.all[flag], l); i >= 0 {
		ls.all[flag] = slices.Delete(ls.all[flag], i, i+1)
	}
	if len(ls.all[flag]) == 0 {
		delete(ls.all, flag)
	}
	ls.some.Store(len(ls.all) > 0)
}

// subscribe makes l be told of releases under a flag, and of the end of the
// session. The LISTEN is a transaction of its own, so whatever is added later
// comes after it has taken effect.
func (s *session) subscribe(flag int64, l *listener) {
	s.pool.local.add(flag, l)
	name := channel(flag)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		l.tell()
		return
	}
	s.listeners[name] = append(s.listeners[name], l)
	if len(s.listeners[name]) == 1 {
		s.enqueue(listening("listen", name))
	}
}

// unsubscribe takes subscribe back.
func (s *session) unsubscribe(flag int64, l *listener) {
	s.pool.local.remove(flag, l)
	name := channel(flag)
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.listeners[name], l)
	if s.cause != nil || i < 0 {
		return
	}
	s.listeners[name] = slices.Delete(s.listeners[name], i, i+1)
	if len(s.listeners[name]) == 0 {
		delete(s.listeners, name)
		s.enqueue(listening("unlisten", name))
	}
}
