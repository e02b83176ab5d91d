package redis

import (
	"context"
	"math/rand/v2"
	"time"
)

// A poll is how a line makes up for what messages do not bring: it keeps the places
// of its waiters, and tells what became of them.

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

// ofNobody is what is left of the leases of no holder. Where somebody waits all the
// same, the script has passed over as many who died as it may: the next one goes on.
const ofNobody = -2 * time.Millisecond

// next returns how long a poll may wait. The first in the queue looks when the
// holder's lease ends, because a dead holder releases nothing; the others only
// keep their places. Without messages a poll is all there is.
func (l *lines) next(n *line, head bool, left time.Duration, foreign bool) time.Duration {
	third := l.p.opts.WaitLease / 3
	d := third - rand.N(third/10+1)
	switch {
	case left == ofNobody:
		d = min(d, leastPause)
	case head && left >= 0:
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
	probe, listening := l.p.receiver.probe(), "0"
	if l.p.receiver.live() {
		listening = "1"
	}
	var calls []*call
	for rest := asked; len(rest) > 0; {
		part := rest[:min(len(rest), perPoll)]
		rest = rest[len(part):]
		args := make([]any, 3, 3+len(part))
		args[0], args[1], args[2] = l.p.inst, probe, listening
		for _, w := range part {
			args = append(args, w.record)
		}
		calls = append(calls, l.p.script(n.c.poll, n.c.keys[:], args...))
		probe = ""
	}
	l.p.owners.refresh()
	l.p.servers.send(calls...)

	head, left, alien := false, time.Duration(-1), false
	for i, c := range calls {
		if err := c.wait(ctx); err != nil {
			return l.failed(n), diagnose(err)
		}
		r := c.reply()
		c.node.clock.note(c, r.number(1))
		if i == 0 {
			left = time.Duration(r.number(0)) * time.Millisecond
			alien = c.script == l.p.lock.poll && r.number(3+min(len(asked), perPoll)) == 1
			l.p.receiver.probed(r.number(2))
		}
		head = l.tell(c, r, asked[i*perPoll:min(len(asked), (i+1)*perPoll)]) || head
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n.fails, n.node = 0, calls[0].node
	return l.next(n, head, left, alien), nil
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
			l.found(w, uint64(state), c.sent, r.number(1), time.Duration(left)*time.Millisecond)
		case state == 0:
			w.ask()
		default:
			l.waits(w, c.sent, r.number(1))
			head = head || state == -1
		}
	}
	return head
}
