package history

import (
	"cmp"
	"fmt"
	"slices"
)

// A move is what an operation does to its object, in the shortest form that
// allows the same explanations.
type move struct {
	op   Op
	does effect
	seat uint64

	// unsure says that a take or a write may also not have happened.
	unsure bool

	// call and ret bound the instant of the effect.
	call, ret int64

	// ends is the hold that a take begins and a free ends, numbered.
	hold int
}

// loose reports whether a free, of a history that is not strict, may come about
// at several instants: not before its call, and at the latest with the return of
// the acquire.
func (m move) loose() bool { return m.does == free && m.ret > m.call }

type effect uint8

const (
	take   effect = iota
	free          // of a hold that the seat must have, unless it is unsure
	refuse        // only if it has to be explained
	write
)

// moves turns the operations on an object into moves.
//
// In a history that is not strict a hold only ever stands in the way of others.
// So of all instants at which it may have ended the first one explains the most,
// and no other needs to be tried: that of the call of a release, of a loss or a
// crash; for a release that found the hold gone, that of the grant. For the same
// reason an acquire of which it is not known whether it has happened is taken not
// to have, and a refusal needs no explanation. That leaves nothing to guess, and
// a hold lasts exactly from the instant of its grant to a known time.
//
// Unless that time is before the return of the acquire, as that of a loss may be
// which was told late. The grant may have been later than that, and then the hold
// may have ended at once: see [move.loose].
//
// A strict history keeps all of these, because each may explain a refusal. An
// acquire of unknown outcome is then a hold of nobody's, that ends some time.
func moves(object Object, ops []Op) ([]move, error) {
	seats := make(map[uint64][]Op)
	for _, op := range ops {
		if err := object.valid(op); err != nil {
			return nil, err
		}
		seats[op.Seat] = append(seats[op.Seat], op)
	}
	a := account{object: object}
	for _, seat := range sorted(seats) {
		own := seats[seat]
		slices.SortStableFunc(own, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
		if err := a.seat(own); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(a.moves, func(a, b move) int { return cmp.Compare(a.call, b.call) })
	return a.moves, nil
}

// valid says what is wrong with an operation of a recorder that has a defect.
func (o Object) valid(op Op) error {
	switch {
	case op.Return < op.Call:
		return fmt.Errorf("history: %v returned before it was called", op)
	case op.Return == Never && op.Outcome != Unknown:
		return fmt.Errorf("history: %v has an outcome without a return", op)
	case (o.Kind == Resource) != (op.Action == Write):
		return fmt.Errorf("history: %v is not for an object of kind %d", op, o.Kind)
	case op.Shared && o.Kind != RWLock:
		return fmt.Errorf("history: %v is shared, and only an RWLock can be", op)
	}
	return nil
}

func sorted[V any](m map[uint64]V) []uint64 {
	keys := make([]uint64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// An account follows the holds of the seats.
type account struct {
	object Object
	moves  []move
	holds  int
}

// seat adds the moves of one seat, whose operations are in order.
func (a *account) seat(ops []Op) error {
	var held *Op // the acquire of the hold that the seat has
	var busy *Op // the latest acquire
	var hold int // number of that hold
	for i := range ops {
		op := &ops[i]
		switch op.Action {
		case Acquire, Try:
			if busy != nil && op.Call < busy.Return {
				return fmt.Errorf("history: %v was called before the same seat's %v had returned", *op, *busy)
			}
			busy = op
			if op.Outcome == OK {
				held = op
				a.holds++
				hold = a.holds
			}
			a.enter(*op, hold)
		case Write:
			a.add(move{op: *op, does: write, seat: op.Seat, unsure: op.Outcome == Unknown, call: op.Call, ret: op.Return})
		default:
			switch {
			case held != nil:
				a.leave(*op, *held, hold)
				held = nil
			case op.Action == Release && op.Outcome == OK:
				// It must not have been; the rules will say so.
				a.add(move{op: *op, does: free, seat: op.Seat, call: op.Call, ret: op.Return})
			}
		}
	}
	return nil
}

func (a *account) add(m move) { a.moves = append(a.moves, m) }

// enter adds the move of an acquire.
func (a *account) enter(op Op, hold int) {
	m := move{op: op, does: take, seat: op.Seat, call: op.Call, ret: op.Return, hold: hold}
	switch {
	case op.Outcome == OK:
		a.add(m)
	case !a.object.Strict:
	case op.Outcome == Unknown:
		a.holds++
		m.hold, m.seat, m.unsure, m.ret = a.holds, nobody|uint64(a.holds), true, Never
		a.add(m)
		m.does = free
		a.add(m)
	case op.Action == Try:
		m.does = refuse
		a.add(m)
	}
}

// nobody marks the seat of a hold that its caller does not know of.
const nobody = 1 << 63

// leave adds the move that ends a hold.
func (a *account) leave(op, grant Op, hold int) {
	m := move{op: op, does: free, seat: op.Seat, call: op.Call, ret: op.Return, hold: hold}
	if op.Outcome == Gone {
		m.call = grant.Return
	} else if op.Outcome == Unknown && op.Action != Lost || op.Action == Crash {
		m.ret = Never
	}
	if !a.object.Strict {
		m.ret = max(m.call, grant.Return)
	}
	a.add(m)
}
