package history

import (
	"cmp"
	"slices"
)

// obvious reports whether a piece is explained by granting every hold as late as
// it can have been. It is what a search would be long in finding where many shared
// holds overlap, and nearly always the answer.
//
// Why the latest instants: in a history that is not strict a hold stands in the
// way of others from its grant to a known end, so the later the grant, the fewer
// it keeps out. Two exclusive holds that are apart at the latest instants can have
// no other order, so their tokens have none either. That makes the answer right
// for every piece without a hold that ended before its acquire returned; but
// nothing relies on that: what is tried is judged by the same rules, and where it
// fails the search has the word.
//
// Where each token must be greater than all before, the grants have the order of
// the tokens, so none can be later than that of any greater token: from the
// greatest down, each is as late as it can be before the next.
func (o Object) obvious(p piece) bool {
	if o.Strict || o.Kind == Resource {
		return false
	}
	ends := make(map[int]int64)
	for _, m := range p.moves {
		if m.does == free {
			ends[m.hold] = m.call
		}
	}
	order := make([]placed, len(p.moves))
	for i, m := range p.moves {
		order[i] = placed{m, m.ret}
		if m.does == free {
			order[i].at = m.call
		} else if end, known := ends[m.hold]; known && end < m.ret {
			order[i].at = max(m.call, end)
		}
	}
	if o.Tokens == Increasing {
		byToken(order)
	}
	slices.SortStableFunc(order, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	s := p.from
	for _, m := range order {
		next := o.next(s, m.move)
		if len(next) != 1 {
			return false
		}
		s = next[0]
	}
	return true
}

// A placed move has an instant at which it is tried.
type placed struct {
	move
	at int64
}

// byToken places takes before those of greater tokens.
func byToken(moves []placed) {
	var takes []*placed
	for i := range moves {
		if moves[i].does == take {
			takes = append(takes, &moves[i])
		}
	}
	slices.SortFunc(takes, func(a, b *placed) int { return cmp.Compare(b.op.Token, a.op.Token) })
	for i := 1; i < len(takes); i++ {
		takes[i].at = max(takes[i].call, min(takes[i].at, takes[i-1].at-1))
	}
}
