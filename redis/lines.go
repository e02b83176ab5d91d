package redis

import (
	"sync"
	"time"
)

// lines are the waiters of a provider, by object. A grant may arrive for any of
// them; and for each object the provider speaks up now and then for all of its
// waiters at once, however many they are.
type lines struct {
	p *Provider

	mu      sync.Mutex
	waiters map[uint64]*waiter
	byState map[string]*line
	closed  bool
}

// A line is the waiters for one object, and the one timer and the one poll for
// them.
type line struct {
	c       *claimer // any of theirs
	waiters map[uint64]*waiter
	node    *node // that answered last
	timer   *time.Timer
	due     time.Time // when the timer fires
	polling bool      // a poll is under way
	again   bool      // and another one is wanted after it
	fast    int       // polls in a row without messages to rely on
	fails   int       // polls in a row without an answer
}

func (l *lines) init(p *Provider) {
	l.p = p
	l.waiters = make(map[uint64]*waiter)
	l.byState = make(map[string]*line)
}

// expect registers a waiter whose request is about to be sent, with the ticket
// that it has if it queued before. Most are granted what they ask for, so a line
// for it is kept once it queues.
func (l *lines) expect(c *claimer, a attempt, ticket int64) *waiter {
	w := &waiter{attempt: a, c: c, ticket: ticket, asked: time.Now()}
	l.mu.Lock()
	l.waiters[w.seq] = w
	l.mu.Unlock()
	return w
}

// join is expect for a waiter that stands in line from the beginning.
func (l *lines) join(c *claimer, a attempt, ticket int64) *waiter {
	w := l.expect(c, a, ticket)
	l.mu.Lock()
	l.standIn(w)
	l.mu.Unlock()
	return w
}

// standIn puts a waiter into the line for its object, if it is in none. Its
// caller holds l.mu.
func (l *lines) standIn(w *waiter) {
	if w.line != nil {
		return
	}
	w.grants, w.astray = make(chan grant, 1), make(chan struct{}, 1)
	if w.early != nil {
		w.grants <- *w.early
	}
	w.line = l.byState[w.c.keys[stateKey]]
	if w.line == nil {
		w.line = &line{c: w.c, waiters: make(map[uint64]*waiter)}
		l.byState[w.c.keys[stateKey]] = w.line
	}
	w.line.waiters[w.seq] = w
}

// leave forgets a waiter. If it was granted the object, its hold is registered
// by now, so a message for it always finds one of the two.
func (l *lines) leave(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiters, w.seq)
	if w.line == nil {
		return
	}
	delete(w.line.waiters, w.seq)
	if len(w.line.waiters) == 0 {
		w.line.stop()
		delete(l.byState, w.c.keys[stateKey])
	}
}

func (n *line) stop() {
	if n.timer != nil {
		n.timer.Stop()
	}
	n.due = time.Time{}
}

func (l *lines) find(seq uint64) *waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiters[seq]
}

func (l *lines) ticket(w *waiter) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return w.ticket
}

func (l *lines) trouble(w *waiter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return w.trouble
}

func (l *lines) troubled(w *waiter, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.trouble = err
}

// queued takes in the place of a waiter, and sees to the next poll.
func (l *lines) queued(w *waiter, ans answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.standIn(w)
	w.ticket, w.queued, w.trouble, w.asked = ans.ticket, true, nil, ans.call.sent
	w.denied(ans.now)
	w.line.node = ans.call.node
	l.schedule(w.line, l.next(w.line, ans.rank == 0, ans.left, foreign(ans.holder)))
}

func (l *lines) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, n := range l.byState {
		n.stop()
	}
}
