package postgres

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

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
	o := &overflowed{waiter: l, queue: q}
	return q.engine.Retry(ctx, o, nil, o.try)
}

// An overflowed wait implements driver.Sleeper.
type overflowed struct {
	waiter
	queue   *queue
	listens *listener // on a session that shows the flags meanwhile, or nil: it polls
}

// try makes an attempt: an urgent one at first and when it was notified, else a
// lazy one. It gives way to a wait on a session. If the session on which it listens
// was lost, or it could not listen, it begins to listen again before the attempt.
func (o *overflowed) try(ctx context.Context) (driver.Claim, error) {
	if o.queue.pool.room() {
		return nil, errRoom
	}
	if o.listens != nil && !o.listens.session.alive() {
		o.unlisten()
	}
	var c driver.Claim
	var err error
	if o.listens == nil {
		err = o.listen(ctx)
	}
	if err == nil || !o.queue.worthWaiting(err) { // It may be a flag alone that cannot be shown.
		lazy := o.listens
		if lazy != nil && lazy.told.Swap(false) {
			lazy = nil
		}
		c, err = o.poll(ctx, lazy)
	}
	if err != nil && ctx.Err() == nil && o.queue.worthWaiting(err) {
		return nil, driver.MayPass(err)
	}
	return c, err
}

// listen begins to listen.
func (o *overflowed) listen(ctx context.Context) error {
	c, err := o.queue.pool.carrier(ctx)
	if err != nil {
		return err
	}
	defer o.queue.pool.leave(c, 1)
	flag, l := o.key().flag, newListener(c)
	l.told.Store(true)
	o.listens = l
	c.subscribe(flag, l)
	for _, shows := range []<-chan error{c.raise(o.queue.pool.common), c.raise(flag)} {
		select {
		case failed := <-shows:
			err = errors.Join(err, failed)
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		o.unlisten()
		return unlessEnded(ctx, err)
	}
	return nil
}

// unlisten takes back listen. The flag goes first: whoever finds it shown by another
// wait relies on it that the session listens.
func (o *overflowed) unlisten() {
	l, flag := o.listens, o.key().flag
	if l == nil {
		return
	}
	l.session.lower(o.queue.pool.common)
	l.session.lower(flag)
	l.session.unsubscribe(flag, l)
	o.listens = nil
}

// Wake implements driver.Waker: the attempts begin to listen, and Sleep does the rest.
func (o *overflowed) Wake() (<-chan struct{}, func(), error) {
	return make(chan struct{}), o.unlisten, nil
}

// Sleep implements driver.Sleeper: until it is notified, if it listens.
func (o *overflowed) Sleep(ctx context.Context, d time.Duration) bool {
	var told <-chan struct{}
	if o.listens != nil {
		told = o.listens.ch
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-told:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
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

	attempt atomic.Pointer[session] // the one of the last lazy attempt, before it is added
}

func newListener(s *session) *listener { return &listener{session: s, ch: make(chan struct{}, 1)} }

func (l *listener) tell() {
	l.told.Store(true)
	signal(l.ch)
}

// wake is tell, after which a lazy attempt is lazy no more. No session's mu is held.
func (l *listener) wake() {
	l.tell()
	if s := l.attempt.Load(); s != nil {
		s.flushNow()
	}
}

// tries says that an attempt, which l (not nil) makes lazy, is going to be added to s.
func (l *listener) tries(s *session) { l.attempt.Store(s) }

// tried sends the attempt that was added to s if it is lazy no more: whoever was told
// before it was added could not send it.
func (l *listener) tried(s *session) {
	if l.told.Load() {
		s.flushNow()
	}
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
		l.wake()
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
