package postgres

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// A standing is a wait on one session.
type standing struct {
	queue   *queue
	wait    *wait
	session *session
	uses    atomic.Int32 // the wait, and the claims that were granted on the session
	gated   bool         // the turnstile or gate has been passed
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
			st.session.add(simple(opLower, st.wait.keys.limitKey(st.wait.place.limit), 0))
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
			_, ended := st.wait.waiting()
			return !ended
		}
	}
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
