package history

import (
	"cmp"
	"fmt"
	"slices"
)

// following returns a violation if a token is not greater than all that had been
// returned before it was asked for.
func following(object Object, ops []Op) error {
	var had []Op
	for _, op := range ops {
		if (op.Action == Acquire || op.Action == Try) && op.Outcome == OK && op.Return != Never {
			had = append(had, op)
		}
	}
	byReturn := slices.Clone(had)
	slices.SortFunc(byReturn, func(a, b Op) int { return cmp.Compare(a.Return, b.Return) })
	slices.SortFunc(had, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
	var greatest Op // of those that had been returned
	returned := 0
	seen := make(map[uint64]Op)
	for _, op := range had {
		for ; returned < len(byReturn) && byReturn[returned].Return < op.Call; returned++ {
			if byReturn[returned].Token > greatest.Token {
				greatest = byReturn[returned]
			}
		}
		if twin, same := seen[op.Token]; same || op.Token <= greatest.Token {
			if !same {
				twin = greatest
			}
			return &ViolationError{Object: object, Text: fmt.Sprintf("  %v\nand its token is not greater than that of\n  %v\n", op, twin)}
		}
		seen[op.Token] = op
	}
	return nil
}
