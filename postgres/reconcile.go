package postgres

import "fmt"

// reconcile deals with a batch that failed: the error does not tell which of its
// ops were carried out, and advisory locks survive it. Each op is undone, which
// is possible as long as the session cannot have held the same lock before. The
// op of a batch of one then fails; those of a larger batch are sent again, alone,
// so that only the guilty one fails. If an op cannot be undone the session ends.
//
// The undo travels before anything that was added meanwhile, which is held back
// (gathering) from when the batch ended, and its failure ends the session. A second
// batch in flight may have run between the two; it names other keys, because a key
// is taken by one op at a time (see table). So an undo names the keys of its op and
// no others, unless nothing else of its owner can be in flight.
//
// Undos travel with undos only, in a statement that takes no lock and draws no
// token, so what made the batch fail, or makes those behind it fail, a full lock
// table or a sequence that was dropped, fails no undo.
func (s *session) reconcile(b *batch) error {
	ops := b.ops
	var undo []*op
	for _, o := range ops {
		if o.owner == nil {
			continue
		}
		more, ok := o.owner.undo(o)
		if !ok {
			return s.endWith(b, fmt.Errorf("it is not known what the session holds after an error: %w", b.err))
		}
		undo = append(undo, more...)
	}
	for _, o := range undo {
		o.undoes = true
	}
	s.mu.Lock()
	s.gathering = false
	if cause := s.cause; cause != nil {
		s.mu.Unlock()
		s.finish(cause, ops...)
		return cause
	}
	for _, st := range b.steps {
		if st.parses {
			delete(s.writer.prepared, st.stmt.name)
		}
	}
	var failed []*op
	switch {
	case len(ops) > 1 || unprepared(b):
		for _, o := range ops {
			o.again()
		}
		undo = append(undo, ops...)
	case len(undo) > 0:
		last := undo[len(undo)-1]
		last.owner = followed{last.owner, func() { s.finish(b.err, ops...) }}
	default:
		failed = ops
	}
	s.pending = append(undo, s.pending...)
	s.flush()
	s.mu.Unlock()
	s.finish(b.err, failed...)
	return nil
}

// unprepared reports whether a batch of one failed only because the statement was to be
// prepared by the one before it, which failed before it came to that. It is made again
// then, once. An op that had to be alone knows no such neighbour, and what its undo
// gives up it may need.
func unprepared(b *batch) bool {
	return sqlState(b.err) == codeNoStatement && len(b.ops) == 1 && !b.ops[0].alone
}

// A followed owner has something to do after its op.
type followed struct {
	owner
	next func()
}

func (f followed) then(o *op) {
	f.owner.then(o)
	f.next()
}

// endWith ends the session because of a batch that is not in flight any more, and
// returns the cause.
func (s *session) endWith(b *batch, err error) error {
	s.end(err)
	s.mu.Lock()
	cause := s.cause // The session may have ended before, by another one.
	s.mu.Unlock()
	s.finish(cause, b.ops...)
	return cause
}
