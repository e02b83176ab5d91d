package redis

import (
	"context"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A grant is the news that an attempt owns the object.
type grant struct {
	fence uint64
	from  time.Time // not after the server began to count
	term  time.Duration
	made  time.Time // when that was, as far as is known; for the observer
	ms    int64     // the server's time at which it was made, or seen to stand
}

// stale reports whether too little of a grant is left to confirm it: the process
// was paused, or the message was late.
func (g grant) stale() bool { return time.Until(g.from.Add(g.term)) < g.term/4 }

// arrived takes in a grant that was pushed: its attempt, its fencing token, the
// server's time at which it was made and for how long, and the object's state.
//
// The term is the claim of who made the grant, which may be longer than a lease
// here. It is believed for no longer than a lease: the renewal that falls due
// after a third of that sets the server's time to a lease from then, and a
// deadline beyond it would be one that the server does not keep.
func (l *lines) arrived(seq uint64, fence uint64, ms, term int64, state string) {
	now := time.Now()
	w := l.find(seq)
	if w == nil {
		if l.p.register.find(seq) == nil {
			l.refuse(seq, state)
		}
		return
	}
	g := grant{fence: fence, term: min(time.Duration(term)*time.Millisecond, l.p.opts.Lease), ms: ms}
	l.mu.Lock()
	asked, line := w.asked, w.line
	var node *node
	if line != nil {
		node = line.node
	}
	l.mu.Unlock()
	g.from, g.made = made(now, asked, g.term, ms, node)
	l.give(w, g)
}

// made returns a time that is not after the one at which a grant was made that has
// arrived now, and the one at which it seems to have been made: for a term, at the
// server's time ms, and after a request was sent at asked, the answer to which was
// that the attempt is not granted yet.
//
// That request alone is proof, by the clock of this process. If it was so long ago
// that the rest of the term would be short, the server's time tells more, by the last
// reply that had it. It may have been set since. If it was set back, the server keeps
// the grant for longer than is believed here. If it was set ahead, the grant seems to
// have been made later than it was, and mostly later than it arrived: then the server
// is asked. Only if the message was late besides, by more than that, is the grant
// believed for too long, until the answer to the renewal that is sent at once; but
// then every lease of that server has ended early.
func made(now, asked time.Time, term time.Duration, ms int64, node *node) (from, seems time.Time) {
	if node == nil {
		return asked, now
	}
	at, known := node.clock.local(ms)
	if !known || at.After(now) {
		return asked, now
	}
	if now.Sub(asked) < term/4 || at.Before(asked) {
		return asked, at
	}
	return at, at
}

// found takes in a grant that a poll, sent then and answered at the server's time ms,
// has found to last for that long yet.
// One that is near its end is asked for, which makes it a lease: its first renewal
// might come too late. Its deadline is counted from before the poll, so the waiter
// never believes in it for longer than the server keeps it, however late it is told.
// No grant lasts for longer than a lease: what seems to was made before the server's
// clock was set back.
func (l *lines) found(w *waiter, fence uint64, sent time.Time, ms int64, left time.Duration) {
	if left < l.p.opts.Claim/4 {
		w.ask()
		return
	}
	l.give(w, grant{fence: fence, from: sent, term: min(left, l.p.opts.Lease), made: sent, ms: ms})
}

// ask makes a waiter send its request again.
func (w *waiter) ask() {
	select {
	case w.astray <- struct{}{}:
	default:
	}
}

// waits takes in that a waiter was not granted yet when the server answered, at its
// time ms, what was sent then.
func (l *lines) waits(w *waiter, sent time.Time, ms int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sent.After(w.asked) {
		w.asked = sent
	}
	w.denied(ms)
}

// denied takes in that the waiter was not granted at the server's time ms. A grant
// that is here and was made before has ended, unless the server's clock was set back
// in between, so the server is asked. Its caller holds lines.mu, as who sends to
// w.grants does.
func (w *waiter) denied(ms int64) {
	w.without = max(w.without, ms)
	select {
	case g := <-w.grants:
		if g.ms < w.without {
			w.ask()
		} else {
			w.grants <- g
		}
	default:
	}
}

// give tells a waiter of a grant; of two that are the same one is enough.
//
// An attempt may be granted more than once: it keeps its number and its place when a
// grant of it has lapsed, or was broken, before it was heard of. So the message of an
// earlier grant may come when the object is somebody else's and this attempt queues
// again. It tells of a time before the one at which the server said so, and that is
// what gives it away: one of the two is out of date, and the server knows which. One
// that tells of the same millisecond is the later of the two, for no claim is so short.
func (l *lines) give(w *waiter, g grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.ms < w.without {
		w.ask()
		return
	}
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
