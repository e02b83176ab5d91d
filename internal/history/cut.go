package history

import (
	"cmp"
	"slices"
)

// A piece is a part of a history that can be judged alone: whatever explains the
// whole has the moves of each piece in one run.
type piece struct {
	from  state
	moves []move
}

// pieceSize is how many moves a piece has at least, unless it is the last: the
// search keeps a set of moves for each move, so its cost is the square of it.
const pieceSize = 64

// cut divides a history that leaves nothing to guess about holds. It may be cut
// after a time T
//
//   - if no operation is under way; or
//   - if holds that are certain fill the object, that is one exclusive hold, or
//     as many as a semaphore has permits. Certain is a hold whose acquire has
//     returned and whose end is later. Then an acquire that is under way at T
//     cannot have been granted before: it would hold at T, since it ends after
//     it has returned, and there is no room.
//
// A hold that may have ended before its acquire has returned is never certain, and
// may have been before T or after it: there is no cut while it may come about.
//
// In both cases the state after T does not depend on what explains it: the
// holders are those that are certain, and the tokens those of the acquires that
// have returned. If a piece is illegal then those after it mean nothing, so they
// must be judged in order.
func (o Object) cut(moves []move) []piece {
	if o.Strict {
		return []piece{{moves: moves}}
	}
	c := cutter{object: o, pieces: []piece{{}}, certain: make(map[int]holder), loose: make(map[int]bool)}
	for _, m := range moves {
		if m.loose() {
			c.loose[m.hold] = true
		}
	}
	events := events(moves)
	for i, e := range events {
		c.apply(e)
		if i+1 < len(events) && events[i+1].at > e.at && c.safe() {
			c.pieces = append(c.pieces, piece{from: c.state()})
		}
	}
	return c.pieces
}

// An event is the beginning or the end of a move.
type event struct {
	at   int64
	rank int // at one time: calls, then returns, then the ends of holds
	m    *move
}

func events(moves []move) []event {
	var all []event
	for i := range moves {
		m := &moves[i]
		if m.does == free {
			all = append(all, event{m.ret, 2, m})
			continue
		}
		all = append(all, event{m.call, 0, m}, event{m.ret, 1, m})
	}
	slices.SortStableFunc(all, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank))
	})
	return all
}

// A cutter is in the midst of a history.
type cutter struct {
	object  Object
	pieces  []piece
	certain map[int]holder // by the number of the hold
	shared  int            // how many of them are
	loose   map[int]bool   // holds that may end before their acquire returns
	open    int            // of these, those that may come about
	pending int            // moves that have begun and not ended
	tokens  state          // those of moves that have ended
	unsure  uint64         // the greatest token of a write of unknown outcome
}

// apply takes a move into the present piece: an acquire when it has returned, so
// that it comes after a cut before; what ends a hold, when it is called.
func (c *cutter) apply(e event) {
	m := e.m
	switch {
	case m.does == free && c.loose[m.hold]:
		c.open--
		c.keep(m)
	case m.does == free:
		if h, ok := c.certain[m.hold]; ok && h.shared {
			c.shared--
		}
		delete(c.certain, m.hold)
		c.keep(m)
	case m.unsure: // a write; it may come about at any time
		if e.rank == 0 {
			c.unsure = max(c.unsure, m.op.Token)
			c.keep(m)
		}
	case e.rank == 0:
		c.pending++
		if m.does == take && c.loose[m.hold] {
			c.open++
		}
	default:
		c.pending--
		c.keep(m)
		h := holder{m.seat, m.op.Shared}
		if m.does == take && !c.loose[m.hold] {
			c.certain[m.hold] = h
			if h.shared {
				c.shared++
			}
		}
		if m.op.Outcome == OK {
			c.tokens = c.tokens.raise(m.op.Token, m.does == write || c.object.exclusive(h))
		}
	}
}

func (c *cutter) keep(m *move) {
	last := &c.pieces[len(c.pieces)-1]
	last.moves = append(last.moves, *m)
}

// safe reports whether the history may be cut here.
func (c *cutter) safe() bool {
	if len(c.pieces[len(c.pieces)-1].moves) < pieceSize || c.open > 0 {
		return false
	}
	if c.pending == 0 {
		// A write that may come about yet makes no difference if its token is
		// none that the resource would learn from.
		return c.unsure <= c.tokens.highest
	}
	switch c.object.Kind {
	case Lock, RWLock:
		return len(c.certain) == 1 && c.shared == 0
	case Semaphore:
		return len(c.certain) == c.object.Limit
	}
	return false
}

func (c *cutter) state() state {
	var holders []holder
	for _, h := range c.certain {
		holders = append(holders, h)
	}
	return c.tokens.of(holders)
}
