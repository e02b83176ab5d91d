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
// lined, which may be nil, once it has its place. It returns ErrBusy to a Try that
// is refused, and ctx.Err() if ctx ends first. An attempt of somebody
// else that is under way refuses no Try: its outcome is awaited, so that a Try
// is refused only by one who holds the object or waits for it.
func (t *Table) Enter(ctx context.Context, key Key, req Request, lined func()) (*Turn, error) {
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
		return nil, ErrBusy
	}
	turn.ready = make(chan struct{})
	t.mu.Unlock()
	if lined != nil {
		lined()
	}

	select {
	case <-turn.ready:
		if turn.state == refused {
			return nil, ErrBusy
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
		turn.line.remove(turn)
		t.dispatch(turn.line) // Those behind may have waited for this one only.
		return nil, ctx.Err()
	case refused:
		return nil, ErrBusy
	default:
		return turn, nil
	}
}

// Gift returns what the former holder passed on with [Turn.PassOn], or nil.
func (turn *Turn) Gift() any { return turn.gift }

// Waiting says that the server answered busy, so later entries must line up.
func (turn *Turn) Waiting() { turn.enter(waiting) }

// Holding says that the server granted the object.
func (turn *Turn) Holding() { turn.enter(holding) }

func (turn *Turn) enter(s state) {
	t := turn.table
	t.mu.Lock()
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
			turn.state = refused
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
