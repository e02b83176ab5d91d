package redis

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
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
	w := &waiter{attempt: a, c: c, ticket: ticket, since: time.Now()}
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
	w.ticket, w.queued, w.trouble = ans.ticket, true, nil
	w.line.node = ans.call.node
	l.schedule(w.line, l.next(w.line, ans.rank == 0, ans.left, foreign(ans.holder)))
}

// foreign reports whether a holder does not speak this protocol, and so will
// hand over to nobody.
func foreign(holder string) bool {
	for i := range len(holder) {
		if holder[i] == '|' {
			return false
		}
	}
	return holder != ""
}

// next returns how long a poll may wait. The first in the queue looks when the
// holder's lease ends, because a dead holder releases nothing; the others only
// keep their places. Without messages a poll is all there is.
func (l *lines) next(n *line, head bool, left time.Duration, foreign bool) time.Duration {
	third := l.p.opts.WaitLease / 3
	d := third - rand.N(third/10+1)
	if head && left >= 0 {
		d = min(d, left+2*time.Millisecond)
	}
	if foreign && head || !l.p.receiver.live() {
		n.fast = min(n.fast+1, 4)
		most := 20 * time.Millisecond << n.fast // 40 to 320 ms
		d = min(d, most/2+rand.N(most/2))
	} else {
		n.fast = 0
	}
	return d
}

// schedule makes sure that there is a poll within d. Its caller holds l.mu.
func (l *lines) schedule(n *line, d time.Duration) {
	due := time.Now().Add(d)
	if l.closed || len(n.waiters) == 0 || !n.due.IsZero() && !n.due.After(due) {
		return
	}
	n.due = due
	if n.timer == nil {
		n.timer = time.AfterFunc(d, func() { l.fire(n) })
	} else {
		n.timer.Reset(d)
	}
}

// resync polls for every line at once: messages may have been missed.
func (l *lines) resync() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.byState {
		l.schedule(n, 0)
	}
}

func (l *lines) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, n := range l.byState {
		n.stop()
	}
}

// fire runs one poll, in the goroutine of the timer.
func (l *lines) fire(n *line) {
	l.p.aside(func() {
		l.mu.Lock()
		n.due = time.Time{}
		if n.polling {
			n.again = true
			l.mu.Unlock()
			return
		}
		n.polling = true
		asked := make([]*waiter, 0, len(n.waiters))
		for _, w := range n.waiters {
			if w.queued {
				asked = append(asked, w)
			}
		}
		l.mu.Unlock()
		next, err := l.poll(n, asked)
		l.mu.Lock()
		defer l.mu.Unlock()
		n.polling = false
		for _, w := range asked {
			w.trouble = err
		}
		if n.again {
			n.again, next = false, 0
		}
		l.schedule(n, next)
	})
}

// perPoll is how many waiters one poll speaks for: it bounds the script.
const perPoll = 250

// poll asks how the waiters stand, and returns when to ask again.
func (l *lines) poll(n *line, asked []*waiter) (time.Duration, error) {
	if len(asked) == 0 {
		return l.p.opts.WaitLease / 3, nil // Their requests are under way.
	}
	ctx, cancel := context.WithTimeout(l.p.engine.Context(), l.p.opts.Timeout)
	defer cancel()
	probe := l.p.receiver.probe()
	var calls []*call
	for rest := asked; len(rest) > 0; {
		part := rest[:min(len(rest), perPoll)]
		rest = rest[len(part):]
		args := make([]any, 2, 2+len(part))
		args[0], args[1] = l.p.inst, probe
		for _, w := range part {
			args = append(args, w.record)
		}
		calls = append(calls, l.p.script(n.c.poll, n.c.keys[:], args...))
		probe = ""
	}
	l.p.owners.refresh()
	l.p.servers.send(calls...)

	head, left := false, time.Duration(-1)
	for i, c := range calls {
		if err := c.wait(ctx); err != nil {
			return l.failed(n), diagnose(err)
		}
		r := c.reply()
		c.node.clock.note(c, r.number(1))
		if i == 0 {
			left = time.Duration(r.number(0)) * time.Millisecond
			l.p.receiver.probed(r.number(2))
		}
		head = l.tell(c, r, asked[i*perPoll:min(len(asked), (i+1)*perPoll)]) || head
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n.fails, n.node = 0, calls[0].node
	return l.next(n, head, left, false), nil
}

// failed returns when to ask again after no answer.
func (l *lines) failed(n *line) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	n.fails = min(n.fails+1, 4)
	most := 50 * time.Millisecond << n.fails // 100 to 800 ms
	return most/2 + rand.N(most/2)
}

// tell passes on what a poll said, and reports whether one of the waiters is the
// first in the queue.
func (l *lines) tell(c *call, r reply, asked []*waiter) (head bool) {
	each := 1
	if c.script == l.p.shared.poll {
		each = 2
	}
	for i, w := range asked {
		switch state := r.number(3 + i*each); {
		case state > 0:
			left := r.number(0)
			if each == 2 {
				left = r.number(4 + i*each)
			}
			l.give(w, grant{fence: uint64(state), from: c.sent, term: time.Duration(left) * time.Millisecond})
		case state == 0:
			select {
			case w.astray <- struct{}{}:
			default:
			}
		case state == -1:
			head = true
		}
	}
	return head
}

// arrived takes in a grant that was pushed: its attempt, its fencing token, the
// server's time at which it was made and for how long, and the object's state.
func (l *lines) arrived(seq uint64, fence uint64, ms, term int64, state string) {
	now := time.Now()
	w := l.find(seq)
	if w == nil {
		if l.p.register.find(seq) == nil {
			l.refuse(seq, state)
		}
		return
	}
	// Both bounds hold the grant to have been made before it arrived, and not
	// before the server's clock said so. Unless the message was late and the
	// clock was set forward in between, that is on the safe side.
	g := grant{fence: fence, from: now, term: time.Duration(term) * time.Millisecond}
	var node *node
	l.mu.Lock()
	if w.line != nil {
		node = w.line.node
	}
	l.mu.Unlock()
	if node == nil {
		g.from = w.since // The grant has overtaken the first reply.
	} else if at, ok := node.clock.local(ms); !ok {
		g.from = w.since
	} else if at.Before(now) {
		g.from = at
	}
	l.give(w, g)
}

// give tells a waiter of a grant; of two that are the same one is enough.
func (l *lines) give(w *waiter, g grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.line == nil {
		w.early = &g
		return
	}
	select {
	case w.grants <- g:
	default:
	}
}

// refuse gives back a grant for an attempt that is over. Its cancellation is on
// the way or failed; without this the object would be nobody's for the time of
// the claim.
func (l *lines) refuse(seq uint64, state string) {
	kind, name, ok := l.p.parseState(state)
	if !ok {
		return
	}
	for _, c := range l.p.sides(kind, name) {
		c.keys = keysOf(state)
		a := c.attemptOf(seq, true)
		l.p.aside(func() {
			ctx, cancel := context.WithTimeout(l.p.engine.Context(), l.p.opts.Timeout)
			defer cancel()
			_ = c.takeBack(ctx, a)
		})
	}
}

// sides returns claimers for every mode in which an object can be held.
func (p *Provider) sides(kind core.Kind, name string) []*claimer {
	if kind == core.KindRWLock {
		return []*claimer{p.claimer(kind, name, 'r', 0), p.claimer(kind, name, 'w', 0)}
	}
	mode := byte('r')
	if kind == core.KindLock {
		mode = 'w'
	}
	return []*claimer{p.claimer(kind, name, mode, 1)}
}
