package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// Wait implements driver.Queuer: it tries, then waits in the server's own queue,
// on a session that does nothing else meanwhile, so that it is woken by the
// release itself, in the order of arrival. The claim stays on that session.
func (l *locker) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	return l.provider.queue.acquire(ctx, l, busy)
}

// Wait implements driver.Queuer; see locker.Wait.
func (l *permits) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	return l.provider.queue.acquire(ctx, l, busy)
}

// A waiter is a claimer as the queue sees it.
type waiter interface {
	driver.Claimer
	place() place
	key() keys
	event(core.EventType, error) core.Event
	poll(ctx context.Context, lazy bool) (driver.Claim, error)
}

func (l *locker) key() keys { return l.keys }

func (q *queue) acquire(ctx context.Context, l waiter, busy func(error)) (driver.Claim, error) {
	c, err := q.first(ctx, l)
	if err == nil || !errors.Is(err, core.ErrNotAcquired) {
		return c, err
	}
	waiting := sync.OnceFunc(func() { busy(err) })
	for {
		c, err := q.wait(ctx, l.place(), l.key(), waiting)
		if !errors.Is(err, errFull) {
			return c, err
		}
		waiting()
		c, err = q.overflow(ctx, l)
		if !errors.Is(err, errRoom) {
			return c, err
		}
	}
}

// first makes the first attempt. A server that is starting, stopping or full is
// waited for, and so is one that has gone away; one that was never there is an
// error at once. If a wait of this process stands in the server's queue already,
// it is joined instead.
func (q *queue) first(ctx context.Context, l waiter) (driver.Claim, error) {
	if q.standing(l.place()) {
		return nil, core.ErrNotAcquired
	}
	pause := 50 * time.Millisecond
	for {
		c, err := l.Claim(ctx)
		if err == nil || ctx.Err() != nil || !q.worthWaiting(err) {
			return c, err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
			pause = min(2*pause, time.Second)
		case <-ctx.Done():
			return nil, err
		}
	}
}

// worthWaiting reports whether an attempt failed for a reason that may pass.
func (q *queue) worthWaiting(err error) bool {
	switch {
	case errors.Is(err, core.ErrNotAcquired), !errors.Is(err, core.ErrUnavailable),
		errors.Is(err, ErrTooManyHolds), errors.Is(err, ErrAuth), errors.Is(err, ErrStandby):
		return false
	}
	return waitable(err) || transient(err) && q.pool.connected.Load()
}

// standing reports whether there is a wait that can be joined.
func (q *queue) standing(pl place) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.waits[pl]
	if w == nil {
		return false
	}
	_, ended := w.waiting()
	return !ended
}

// run stands at the server until all members have been served or have left. When
// its session is lost it begins again on another one, for as long as somebody
// waits.
func (q *queue) run(w *wait) {
	pause := 20 * time.Millisecond
	for {
		s, err := q.pool.waiter()
		switch {
		case err == nil && s == nil:
			w.fail(errFull)
			return
		case err != nil && !transient(err):
			w.fail(err)
			return
		case err != nil:
			w.setTrouble(err)
			if !w.rest(pause/2 + rand.N(pause)) {
				return
			}
			pause = min(2*pause, time.Second)
			continue
		}
		w.setTrouble(nil)
		pause = 20 * time.Millisecond
		st := &standing{queue: q, wait: w, session: s}
		st.uses.Store(1)
		again := st.serve()
		st.done()
		if !again || !s.alive() && !w.rest(pause/2+rand.N(pause)) {
			return
		}
	}
}

// rest sleeps, and reports whether somebody still waits then.
func (w *wait) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	var empty time.Time
	for {
		gone, again := w.deserted(&empty)
		if gone {
			return false
		}
		select {
		case <-timer.C:
			return true
		case <-w.changed:
		case <-again:
		}
	}
}

// A standing is a wait on one session.
type standing struct {
	queue   *queue
	wait    *wait
	session *session
	uses    atomic.Int32 // the wait, and the claims that were granted on the session
	gated   bool         // the turnstile or gate has been passed
	empty   time.Time    // since when there are no members
	listens *listener    // not nil: told of releases of the semaphore

	// What was granted, once it was.
	key   Key
	token uint64
}

// done counts one use less of the session; the last one gives it back.
func (st *standing) done() {
	if st.uses.Add(-1) == 0 {
		st.queue.pool.release(st.session)
	}
}

// The ways in which a step of a standing ends.
type progress int

const (
	reached  progress = iota // it has what the step was for
	timedOut                 // the slice was over
	left                     // nobody waits any more; the session is clean
	gone                     // the session is, or has been, lost
	refused                  // the members have been told an error; the session is clean
)

// serve waits until somebody was granted the place, and reports whether to begin
// again because others wait still.
func (st *standing) serve() (again bool) {
	for {
		var p progress
		switch {
		case st.wait.place.take == opPermit:
			p = st.queueForPermit()
		case st.wait.place.take == opLock:
			p = st.block(st.lockOp())
		case !st.gated:
			if p = st.block(st.gateOp()); p == reached {
				st.gated = true
				continue
			}
		default:
			p = st.block(st.dataOp())
		}
		switch p {
		case reached:
			st.gated = false
			return st.hand()
		case left, refused:
			return false
		case gone:
			_, ended := st.wait.waiting()
			return !ended
		}
	}
}

func (st *standing) slice() time.Duration {
	d := st.queue.opts.WaitSlice
	return d - d/8 + rand.N(d/4+1) // so that waits do not move in step
}

// blocking makes an op that waits at the server.
func (st *standing) blocking(stmt *statement, k int64, more ...int64) *op {
	slice := max(time.Millisecond, st.slice())
	args := []string{strconv.FormatInt(k, 10), strconv.FormatInt(slice.Milliseconds(), 10)}
	for _, a := range more {
		args = append(args, strconv.FormatInt(a, 10))
	}
	o := special(stmt, args...)
	o.alone, o.allow = true, slice
	return o
}

// clean is the undo of a wait on a session that has nothing it should keep. A
// request to cancel the wait may arrive late and hit the undo, which is then
// repeated, once.
func (st *standing) clean() ([]*op, bool) {
	o := special(st.session.stmts.unlockAll)
	o.undo = func() ([]*op, bool) { return []*op{special(st.session.stmts.unlockAll).must()}, true }
	return []*op{o}, true
}

func (st *standing) lockOp() *op {
	stmt := st.session.stmts.waitLock
	if st.wait.keys.data.pair {
		stmt = st.session.stmts.waitPair
	}
	o := st.blocking(stmt, st.wait.keys.data.value)
	o.undo = st.clean
	return o
}

func (st *standing) gateOp() *op {
	stmt := st.session.stmts.waitGate
	if st.wait.place.take == opRead {
		stmt = st.session.stmts.waitGateR
	}
	o := st.blocking(stmt, st.wait.keys.gate)
	o.undo = st.clean
	return o
}

// dataOp waits behind the turnstile. When its slice is over the turnstile is
// kept, so that it does not lose its turn to those who come later.
func (st *standing) dataOp() *op {
	all, k := st.session.stmts, st.wait.keys
	stmt, drop := all.waitWrite, opDrop
	switch {
	case st.wait.place.take == opRead && k.data.pair:
		stmt, drop = all.waitReadP, opDropRead
	case st.wait.place.take == opRead:
		stmt, drop = all.waitRead, opDropRead
	case k.data.pair:
		stmt = all.waitWritP
	}
	o := st.blocking(stmt, k.data.value, k.gate)
	o.undo = func() ([]*op, bool) { return []*op{simple(drop, k.data, 0).must()}, true }
	return o
}

// block carries out an op that waits at the server, for as long as somebody
// waits for it here.
func (st *standing) block(o *op) progress {
	st.session.add(o)
	if st.gated || st.wait.place.take == opLock {
		st.wait.standsAt()
	}
	// Whoever is not let through the turnstile by now stands in the line before it.
	stands := time.NewTimer(5 * time.Millisecond)
	defer stands.Stop()
	for !o.resolved() {
		deserted, again := st.wait.deserted(&st.empty)
		if deserted {
			st.cancel(o)
			break
		}
		select {
		case <-o.done:
		case <-stands.C:
			st.wait.standsAt()
		case <-st.wait.changed:
		case <-again:
		}
	}
	return st.blocked(o)
}

// blocked tells how a wait at the server ended.
func (st *standing) blocked(o *op) progress {
	switch state := sqlState(o.err); {
	case o.err == nil:
		st.key, st.token = st.wait.keys.data, o.token
		return reached
	case !st.session.alive():
		st.wait.setTrouble(o.err)
		return gone
	case state == codeLockTimeout:
		if _, ended := st.wait.waiting(); ended {
			return st.leave()
		}
		return timedOut
	case state == codeCancelled:
		if p := st.leave(); p != left {
			return p
		}
		if _, ended := st.wait.waiting(); ended {
			return left
		}
		return timedOut // Somebody else cancelled it: it begins again.
	default:
		err := unavailable(o.err)
		if st.leave() == left {
			st.wait.fail(err)
			return refused
		}
		return gone
	}
}

// leave gives up whatever the session may hold.
func (st *standing) leave() progress {
	st.gated = false
	st.unlisten()
	o := special(st.session.stmts.unlockAll).must()
	st.session.add(o)
	<-o.done
	if o.err != nil {
		return gone
	}
	return left
}

// cancel makes the server end a statement that waits. The request goes over a
// connection of its own and may arrive before the statement does, and then has no
// effect, so it is repeated until the outcome is there. The server signals the
// process before it answers the request, so that hardly one can hit the next
// statement; whatever statement it is, it is undone or made again. If the server cannot be asked the session is ended instead.
func (st *standing) cancel(o *op) {
	const patience = 3 * time.Second
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	for !o.resolved() {
		if st.session.inFlight(o) {
			_ = st.session.conn.CancelRequest(ctx)
		}
		select {
		case <-o.done:
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			st.session.kill("a wait could not be cancelled within %v", patience)
			<-o.done
		}
	}
}
