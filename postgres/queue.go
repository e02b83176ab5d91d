package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A queue keeps the waits at the server of a provider. A wait belongs to what is
// waited for, and not to one caller: when the caller at the head of the local
// line gives up, the next one takes the wait over, with its place in the server's
// queue.
type queue struct {
	engine *driver.Engine
	pool   *pool
	opts   *Options
	work   sync.WaitGroup

	mu    sync.Mutex
	waits map[place]*wait
	keyed map[Key][]*wait // all that may have left something at the server, by what they wait for
	some  atomic.Bool     // there are waits; so that most attempts need not look
}

// A place is what is waited for.
type place struct {
	take  opcode
	key   Key
	limit int // of a semaphore
}

const opPermit opcode = 0 // a semaphore has no opcode

func (l *locker) place() place  { return place{take: l.take, key: l.keys.data} }
func (l *permits) place() place { return place{take: opPermit, key: l.keys.data, limit: l.limit} }

// A wait is one session's wait at the server, for any number of callers: several
// only if they want to read.
type wait struct {
	place place
	keys  keys
	over  chan struct{} // closed when the wait has left nothing at the server

	stands   chan struct{} // closed when the wait is in the server's queue
	standsAt func()        // closes it

	mu      sync.Mutex
	members []*member
	ended   bool          // no more members are taken
	changed chan struct{} // has room for one
	trouble error         // why the wait does not stand at the server at present
}

// A member is one caller that waits.
type member struct {
	outcome chan outcome // has room for the one
}

type outcome struct {
	claim *claim
	err   error
}

// errFull is the outcome of a wait for which there is no session.
var errFull = errors.New("all connections to wait on are in use")

func newQueue(e *driver.Engine, p *pool, o *Options) *queue {
	return &queue{engine: e, pool: p, opts: o, waits: make(map[place]*wait), keyed: make(map[Key][]*wait)}
}

// wait waits until the place is reached, or ctx ends. It calls waiting when the
// wait has its place in the server's queue, as far as can be known.
func (q *queue) wait(ctx context.Context, pl place, k keys, waiting func()) (driver.Claim, error) {
	w, m := q.join(pl, k)
	defer waiting()
	select {
	case o := <-m.outcome:
		return o.get()
	case <-ctx.Done():
	case <-w.stands:
		waiting()
	}
	select {
	case o := <-m.outcome:
		return o.get()
	case <-ctx.Done():
	}
	if !w.remove(m) {
		return (<-m.outcome).get() // It was granted at the same time.
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.trouble != nil {
		return nil, unavailable(w.trouble)
	}
	return nil, fmt.Errorf("%w: %w", core.ErrNotAcquired, ctx.Err())
}

func (o outcome) get() (driver.Claim, error) {
	if o.err != nil {
		return nil, o.err
	}
	return o.claim, nil
}

// join adds a member to the wait for a place, or begins one.
func (q *queue) join(pl place, k keys) (*wait, *member) {
	m := &member{outcome: make(chan outcome, 1)}
	q.mu.Lock()
	defer q.mu.Unlock()
	if w := q.waits[pl]; w != nil && w.add(m) {
		return w, m
	}
	w := newWait(pl, k, m)
	q.waits[pl] = w
	q.keyed[pl.key] = append(q.keyed[pl.key], w)
	q.some.Store(true)
	q.work.Go(func() {
		defer close(w.over)
		defer q.forget(w)
		q.run(w)
	})
	return w, m
}

func newWait(pl place, k keys, m *member) *wait {
	w := &wait{
		place:   pl,
		keys:    k,
		over:    make(chan struct{}),
		stands:  make(chan struct{}),
		members: []*member{m},
		changed: make(chan struct{}, 1),
	}
	w.standsAt = sync.OnceFunc(func() { close(w.stands) })
	return w
}

func (q *queue) forget(w *wait) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waits[w.place] == w {
		delete(q.waits, w.place)
	}
	key := w.place.key
	q.keyed[key] = slices.DeleteFunc(q.keyed[key], func(x *wait) bool { return x == w })
	if len(q.keyed[key]) == 0 {
		delete(q.keyed, key)
	}
	q.some.Store(len(q.keyed) > 0)
}

// at returns the wait for a place, or nil.
func (q *queue) at(pl place) *wait {
	if !q.some.Load() {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waits[pl]
}

// close waits for the waits. Their members have left: the engine is closed.
func (q *queue) close() { q.work.Wait() }

// add takes a member in, unless the wait has ended.
func (w *wait) add(m *member) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return false
	}
	w.members = append(w.members, m)
	signal(w.changed)
	return true
}

// remove reports whether m was still waiting.
func (w *wait) remove(m *member) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, x := range w.members {
		if x == m {
			w.members = append(w.members[:i:i], w.members[i+1:]...)
			signal(w.changed)
			return true
		}
	}
	return false
}

// close ends the wait if nobody waits, and reports whether it has ended.
func (w *wait) close() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.members) == 0 && !w.ended {
		w.ended = true
		signal(w.changed)
	}
	return w.ended
}

// waiting returns how many members there are, and whether the wait has ended.
func (w *wait) waiting() (n int, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.members), w.ended
}

// fail gives all members an error and ends the wait.
func (w *wait) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	for _, m := range w.members {
		m.outcome <- outcome{err: err}
	}
	w.members = nil
}

// deliver gives the first member a claim, and reports whether there was one.
func (w *wait) deliver(c *claim) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.members) == 0 {
		return false
	}
	m := w.members[0]
	w.members = w.members[1:]
	m.outcome <- outcome{claim: c}
	return true
}

func (w *wait) setTrouble(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = err
}

// lingering is how long a wait without members keeps its place at the server. The
// next one of the local line comes within microseconds.
const lingering = 2 * time.Millisecond

// deserted reports whether the wait has been without members for a while, or has
// ended. It returns a channel that tells when to ask again if it is empty but
// not yet deserted.
func (w *wait) deserted(since *time.Time) (gone bool, again <-chan time.Time) {
	n, ended := w.waiting()
	switch {
	case n > 0:
		*since = time.Time{}
		return false, nil
	case ended:
		return true, nil
	case since.IsZero():
		*since = time.Now()
	}
	if left := lingering - time.Since(*since); left > 0 {
		return false, time.After(left)
	}
	return w.close(), nil
}
