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
	instant := func(m move) int64 {
		if m.does == free {
			return m.call
		}
		if end, known := ends[m.hold]; known && end < m.ret {
			return max(m.call, end)
		}
		return m.ret
	}
	order := slices.Clone(p.moves)
	slices.SortStableFunc(order, func(a, b move) int { return cmp.Compare(instant(a), instant(b)) })
	s := p.from
	for _, m := range order {
		next := o.next(s, m)
		if len(next) != 1 {
			return false
		}
		s = next[0]
	}
	return true
}
