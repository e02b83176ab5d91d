package history

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// A state is that of an object, and comparable.
type state struct {
	holders   string // nine bytes each: the seat and its mode, in order
	exclusive uint64 // the greatest token of an exclusive hold, or of a write
	highest   uint64 // the greatest token of any hold
}

const holderSize = 9

// A holder is an entry of state.holders.
type holder struct {
	seat   uint64
	shared bool
}

func (h holder) encode() string {
	var b [holderSize]byte
	binary.BigEndian.PutUint64(b[:], h.seat)
	if h.shared {
		b[8] = 1
	}
	return string(b[:])
}

// all returns the holders.
func (s state) all() []holder {
	var all []holder
	for h := s.holders; h != ""; h = h[holderSize:] {
		all = append(all, holder{binary.BigEndian.Uint64([]byte(h[:8])), h[8] == 1})
	}
	return all
}

func (s state) with(h holder) state { return s.of(append(s.all(), h)) }

func (s state) without(seat uint64) (state, bool) {
	all := s.all()
	i := slices.IndexFunc(all, func(h holder) bool { return h.seat == seat })
	if i < 0 {
		return s, false
	}
	return s.of(slices.Delete(all, i, i+1)), true
}

func (s state) of(holders []holder) state {
	parts := make([]string, len(holders))
	for i, h := range holders {
		parts[i] = h.encode()
	}
	slices.Sort(parts)
	s.holders = strings.Join(parts, "")
	return s
}

// raise notes a token.
func (s state) raise(token uint64, exclusive bool) state {
	if exclusive {
		s.exclusive = max(s.exclusive, token)
	}
	s.highest = max(s.highest, token)
	return s
}

// String is for pictures.
func (s state) String() string {
	var parts []string
	for _, h := range s.all() {
		name := "seat " + seatName(h.seat)
		if h.seat&nobody != 0 {
			name = "nobody"
		}
		if h.shared {
			name += " shared"
		}
		parts = append(parts, name)
	}
	if parts == nil {
		parts = []string{"free"}
	}
	return fmt.Sprintf("%s; tokens to %d", strings.Join(parts, ", "), s.highest)
}

// admits reports whether one more holder fits in. No seat does twice.
func (o Object) admits(s state, newcomer holder) bool {
	all := s.all()
	for _, h := range all {
		if h.seat == newcomer.seat {
			return false
		}
		if o.Kind == RWLock && !(h.shared && newcomer.shared) {
			return false
		}
	}
	switch o.Kind {
	case Lock:
		return len(all) == 0
	case Semaphore:
		return len(all) < o.Limit
	}
	return true
}

// after reports whether a token may be given out in a state.
func (o Object) after(s state, token uint64) bool {
	switch o.Tokens {
	case Fencing:
		return token > s.exclusive
	case Increasing:
		return token > s.highest
	}
	return true
}

// next returns the states to which a move may lead; none if it is not possible.
func (o Object) next(s state, m move) []state {
	switch m.does {
	case take:
		h := holder{m.seat, m.op.Shared}
		if m.unsure {
			if !o.admits(s, h) {
				return []state{s}
			}
			return []state{s, s.with(h)}
		}
		if o.admits(s, h) && o.after(s, m.op.Token) {
			return []state{s.with(h).raise(m.op.Token, o.exclusive(h))}
		}
	case free:
		if s, had := s.without(m.seat); had || m.unsure {
			return []state{s}
		}
	case refuse:
		if !o.admits(s, holder{m.seat, m.op.Shared}) {
			return []state{s}
		}
	case write:
		return o.written(s, m)
	}
	return nil
}

// exclusive reports whether a hold has the object for itself.
func (o Object) exclusive(h holder) bool {
	return o.Kind != Semaphore && !h.shared
}

// written returns what may become of a resource. That of an older token must be
// refused, and no other: the same holder writes more than once.
func (o Object) written(s state, m move) []state {
	fresh := m.op.Token >= s.highest
	raised := s.raise(m.op.Token, true)
	switch {
	case m.op.Outcome == Unknown:
		return []state{s, raised}
	case fresh && m.op.Outcome == OK:
		return []state{raised}
	case !fresh && m.op.Outcome == Refused:
		return []state{s}
	}
	return nil
}

// model returns the rules for the search, from a state on. Only a strict history
// and a resource have moves that may lead to several states.
func (o Object) model(from state) porcupine.Model {
	nd := porcupine.NondeterministicModel{
		Init: func() []any { return []any{from} },
		Step: func(s, in, _ any) []any {
			var next []any
			for _, n := range o.next(s.(state), in.(move)) {
				next = append(next, n)
			}
			return next
		},
		DescribeOperation: func(in, _ any) string { return in.(move).op.what() },
		DescribeState:     func(s any) string { return s.(state).String() },
	}
	if o.Strict || o.Kind == Resource {
		return nd.ToModel()
	}
	return porcupine.Model{
		Init: func() any { return from },
		Step: func(s, in, _ any) (bool, any) {
			if next := o.next(s.(state), in.(move)); next != nil {
				return true, next[0]
			}
			return false, s
		},
		DescribeOperation: nd.DescribeOperation,
		DescribeState:     nd.DescribeState,
	}
}
