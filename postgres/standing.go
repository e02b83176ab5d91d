package postgres

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core/driver"
)

// A standing is a wait on one session.
type standing struct {
	queue   *queue
	wait    *wait
	session *session
	uses    atomic.Int32 // the wait, and the claims that were granted on the session
	gated   bool         // the turnstile or gate has been passed
	passed  bool         // and what is behind it was granted and undone
	empty   time.Time    // since when there are no members
	listens *listener    // not nil: told of releases of the semaphore
	shows   bool         // the limit of the semaphore

	// What was granted, once it was.
	key   Key
	token uint64
	spare *claim // of it, if nobody was there to take it
}

// done counts one use less of the session; the last one gives it back.
func (st *standing) done() {
	if st.uses.Add(-1) == 0 {
		if st.shows {
			st.session.add(lowering(st.wait.keys.limitKey(st.wait.place.limit)))
		}
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
			st.unlisten() // The process would go on telling it of releases.
			_, ended := st.wait.waiting()
			return !ended
		}
	}
}

// run stands at the server until all members have been served or have left. When
// its session is lost it begins again on another one, for as long as somebody
// waits.
func (q *queue) run(w *wait) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stand := &stander{queue: q, wait: w, desert: cancel}
	if _, err := q.engine.Retry(ctx, stand, nil, stand.Claim); err != nil && ctx.Err() == nil {
		w.fail(err)
	}
}

// A stander stands at the server for a wait. It implements driver.Sleeper, for the
// pauses while there is no server; what it is granted goes to the members.
type stander struct {
	queue  *queue
	wait   *wait
	desert func() // ends the wait's context
}

// Claim stands at the server, on one session after the other. A session that was
// lost, or an error that may pass, takes a pause; any other error is the members'.
func (s *stander) Claim(context.Context) (driver.Claim, error) {
	for {
		session, err := s.queue.pool.waiter()
		switch {
		case err == nil && session == nil:
			return nil, errFull
		case err != nil && !transient(err):
			return nil, err
		case err != nil:
			s.wait.setTrouble(err)
			return nil, driver.MayPass(err)
		}
		s.wait.setTrouble(nil)
		st := &standing{queue: s.queue, wait: s.wait, session: session}
		st.uses.Store(1)
		again := st.serve()
		st.done()
		switch {
		case !again:
			return nil, nil
		case !session.alive():
			return nil, driver.MayPass(errLostPlace)
		}
	}
}

// errLostPlace is why a stander begins again.
var errLostPlace = errors.New("the session that waited has ended")

// Wake implements driver.Waker: nothing is told, and Sleep does all.
func (s *stander) Wake() (<-chan struct{}, func(), error) {
	return make(chan struct{}), func() {}, nil
}

// Sleep implements driver.Sleeper. It ends early when nobody waits any more.
func (s *stander) Sleep(_ context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	var empty time.Time
	for {
		gone, again := s.wait.deserted(&empty)
		if gone {
			s.desert()
			return false
		}
		select {
		case <-timer.C:
			return false
		case <-s.wait.changed:
		case <-again:
		}
	}
}
