// Package queue keeps the line of those who want the same object within one
// process: a FIFO per name, of which only the head talks to the server.
//
// An entry of a line has one of four states. It is *queued*; or it is admitted,
// and then *claiming* (its first attempt at the server is under way), *waiting*
// (the server said that the object is held elsewhere) or *holding*. Admission
// follows what the server would do: exclusive entries one at a time, permits up
// to their limit, readers together. Nobody passes a queued or waiting entry,
// except that readers join a waiting reader, because the server admits them
// together.
package queue

import (
	"context"
	"errors"
	"sync"
)

// ErrBusy is the answer to a Try that would have to wait for another entry.
var ErrBusy = errors.New("busy in this process")

// A RefusedError is the error of an entry that was not admitted.
type RefusedError struct {
	// Err is ErrBusy for a Try that was refused, else ctx.Err().
	Err error

	// Why is ErrBusy if somebody held the object while the entry was in line, or
	// what the server had answered to the one ahead of it; nil if the server had
	// answered to nobody.
	Why error
}

func (r *RefusedError) Error() string { return r.Err.Error() }

// Unwrap returns Err.
func (r *RefusedError) Unwrap() error { return r.Err }

// A Key names a line.
type Key struct {
	Kind string
	Name string
}

// A Table holds the lines of one provider. The zero Table is ready for use.
type Table struct {
	mu    sync.Mutex
	lines map[Key]*line
	spare spares
}

// A Request says how to enter a line.
type Request struct {
	Limit  int  // how many exclusive entries may be admitted at a time; 1 but for permits
	Shared bool // a reader
	Try    bool // fail with ErrBusy instead of waiting for a holder or a waiter
}

// A Turn is an entry that was admitted. Its owner must end it with Leave or
// PassOn.
type Turn struct {
	table *Table
	line  *line
	req   Request
	state state
	ready chan struct{} // closed on admission or refusal; nil if admitted at once
	gift  any           // what the former holder passed on
	why   error         // that it was not admitted, or had not been when it lined up
	heard uint64        // the line's answers by then
	next  *Turn         // in the line's queue
	prev  *Turn
}

type state uint8

const (
	queued state = iota
	refused
	claiming
	waiting
	holding
)

// Enter joins the line and returns when it is admitted. If it must wait it calls
// lined, which may be nil, once it has its place, with what it waits for as in
// [RefusedError]. The error is a *RefusedError: of a Try that is refused, or because ctx
// ended first. An attempt of somebody else that is under way refuses no Try: its outcome
// is awaited, so that a Try is refused only by one who holds the object or waits for
// it.
func (t *Table) Enter(ctx context.Context, key Key, req Request, lined func(why error)) (*Turn, error) {
	turn := &Turn{table: t, req: req}
	t.mu.Lock()
	l := t.lineOf(key)
	turn.line = l
	l.push(turn)
	t.dispatch(l)
	switch turn.state {
	case claiming:
		t.mu.Unlock()
		return turn, nil
	case refused:
		t.mu.Unlock()
		return nil, &RefusedError{ErrBusy, turn.why}
	}
	turn.ready = make(chan struct{})
	why := l.why()
	turn.why, turn.heard = why, l.answers
	t.mu.Unlock()
	if lined != nil {
		lined(why)
	}

	select {
	case <-turn.ready:
		if turn.state == refused {
			return nil, &RefusedError{ErrBusy, turn.why}
		}
		return turn, nil
	case <-ctx.Done():
		return turn.cancel(ctx)
	}
}

// TryEnter is Enter for a caller who would not even wait for the outcome of
// somebody else's attempt. It returns nil if the entry cannot be admitted now.
func (t *Table) TryEnter(key Key, req Request) *Turn {
	turn := new(Turn)
	if !t.TryEnterAs(turn, key, req) {
		return nil
	}
	return turn
}

// TryEnterAs is TryEnter with a Turn that the caller provides, unused, such as a
// part of something larger. It reports whether the entry was admitted.
func (t *Table) TryEnterAs(turn *Turn, key Key, req Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lineOf(key)
	if l.head != nil || !l.admits(req) {
		return false
	}
	turn.table, turn.req, turn.line = t, req, l
	t.admit(l, turn, claiming)
	return true
}

// cancel takes a queued turn out of the line. A turn that was admitted at the
// same moment is returned after all: what it was given must not be lost.
func (turn *Turn) cancel(ctx context.Context) (*Turn, error) {
	t := turn.table
	t.mu.Lock()
	defer t.mu.Unlock()
	switch turn.state {
	case queued:
		l := turn.line
		why := l.why()
		if why == nil && l.answers != turn.heard {
			why = l.answer
		}
		if why == nil {
			why = turn.why
		}
		l.remove(turn)
		t.dispatch(l) // Those behind may have waited for this one only.
		return nil, &RefusedError{ctx.Err(), why}
	case refused:
		return nil, &RefusedError{ErrBusy, turn.why}
	default:
		return turn, nil
	}
}

// Gift returns what the former holder passed on with [Turn.PassOn], or nil.
func (turn *Turn) Gift() any { return turn.gift }

// Waiting says that the server answered so, which is ErrBusy if somebody elsewhere
// holds the object, or that it cannot be reached. Later entries must line up. It may
// be called again with another answer.
func (turn *Turn) Waiting(answer error) { turn.enter(waiting, answer) }

// Holding says that the server granted the object.
func (turn *Turn) Holding() { turn.enter(holding, ErrBusy) }

func (turn *Turn) enter(s state, answer error) {
	t := turn.table
	t.mu.Lock()
	turn.line.hear(answer)
	turn.line.count(turn.state, -1)
	turn.state = s
	turn.line.count(s, +1)
	t.dispatch(turn.line)
	t.mu.Unlock()
}

// Leave ends the turn and admits whoever is next.
func (turn *Turn) Leave() {
	t := turn.table
	t.mu.Lock()
	turn.line.count(turn.state, -1)
	t.dispatch(turn.line)
	t.mu.Unlock()
}

// PassOn ends the turn and gives gift, with the turn, to the entry at the head
// of the queue, which becomes a holder without asking the server. It returns
// false, and changes nothing, if nobody waits there or if the two differ in
// mode. offer is called, with the table locked, only if somebody does.
func (turn *Turn) PassOn(offer func() (gift any, ok bool)) bool {
	t := turn.table
	t.mu.Lock()
	defer t.mu.Unlock()
	l := turn.line
	heir := l.head
	if heir == nil || heir.req.Try || heir.req.Shared || turn.req.Shared {
		return false
	}
	gift, ok := offer()
	if !ok {
		return false
	}
	l.remove(heir)
	l.count(turn.state, -1)
	heir.gift = gift
	t.admit(l, heir, holding)
	return true
}

// lineOf returns the line of key, a new one if there is none.
func (t *Table) lineOf(key Key) *line {
	l := t.lines[key]
	if l != nil {
		if l.spare {
			t.spare.remove(l)
		}
		return l
	}
	if t.lines == nil {
		t.lines = make(map[Key]*line)
	}
	if t.spare.n < mostSpares {
		l = new(line)
	} else {
		l = t.forget()
	}
	l.key = key
	t.lines[key] = l
	return l
}

// dispatch admits and refuses, in order of arrival, whatever the state of the
// line calls for, and forgets a line that nobody uses.
func (t *Table) dispatch(l *line) {
	blocked := false // nobody behind may be admitted
	behind := false  // somebody ahead waits for a holder, so a Try is refused
	var next *Turn
	for turn := l.head; turn != nil; turn = next {
		next = turn.next
		switch {
		case !blocked && l.admits(turn.req) && (l.shared || l.claiming == 0 || turn.ready == nil):
			// Those that were queued go one by one, unless they are readers:
			// attempts that are under way together end, or begin to wait at the
			// server, in any order.
			l.remove(turn)
			t.admit(l, turn, claiming)
		case turn.req.Try && (behind || l.refuses(turn.req)):
			l.remove(turn)
			turn.state, turn.why = refused, ErrBusy
			if l.holding < turn.req.Limit && l.waiting > 0 {
				turn.why = l.answer // Nobody is known to be in its way but the one who waits.
			}
			turn.signal()
			// Whoever is behind it may be able to enter.
		case turn.req.Try:
			blocked = true
		default:
			blocked, behind = true, true
		}
		if blocked && l.tries == 0 {
			break // What is left stays as it is.
		}
	}
	if l.head == nil && l.admitted() == 0 && !l.spare {
		t.retire(l)
	}
}

func (t *Table) admit(l *line, turn *Turn, s state) {
	if l.admitted() == 0 {
		l.shared = turn.req.Shared
	}
	turn.state = s
	l.count(s, +1)
	turn.signal()
}

func (turn *Turn) signal() {
	if turn.ready != nil {
		close(turn.ready)
	}
}
