package postgres

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"
)

// row reads the one row that each statement returns. The second column is the
// drawn value, the third the process id of the server. mu is held.
func (s *session) row(m *pgproto3.DataRow) error {
	st := s.answering()
	if st == nil || len(m.Values) < 3 {
		return errReply
	}
	pid, err := readInt(m.Values[2])
	if err != nil {
		return err
	}
	if uint32(pid) != s.facts.pid {
		return fmt.Errorf("%w: the server process changed from %d to %d", ErrPooler, s.facts.pid, pid)
	}
	drawn, err := readInt(m.Values[1])
	if err != nil {
		return err
	}
	if err := s.draws(drawn); err != nil {
		return err
	}
	return s.outcome(st, m.Values, drawn)
}

// draws refuses a value that is not greater than the last one. Somebody has restarted
// the sequence, or dropped it and made another one, which a statement that is prepared
// draws from as if it were the same. What was granted with it must not be had, so the
// session ends; the next one lifts the sequence, if its role may. mu is held.
func (s *session) draws(drawn int64) error {
	if drawn < tokensPerDraw || s.facts.sequence == "" {
		return nil // It says something else.
	}
	if drawn <= s.drawn {
		return fmt.Errorf("the sequence of tokens %s has gone back, from %d to %d", s.facts.sequence, s.drawn, drawn)
	}
	s.drawn = drawn
	return nil
}

// outcome gives each op of a step its part of the row.
func (s *session) outcome(st *step, row [][]byte, drawn int64) error {
	first := st.ops[0]
	switch st.stmt {
	case s.stmts.batch, s.stmts.undo:
		return s.replies(st.ops, row[0], drawn)
	case s.stmts.locks:
		return s.exceptions(st.ops, row, drawn)
	case s.stmts.lock:
		first.reply = replyBusy
		if row[1] != nil {
			first.reply, first.token = replyTaken, s.token(drawn, 0)
		}
	case s.stmts.unlock:
		first.reply = replyGiven
		if row[0] == nil {
			first.reply = replyNotHeld
		}
	case s.stmts.permits, s.stmts.waitQueue, s.stmts.limits:
		first.token = s.token(drawn, 0)
		slots, err := readArray(row[0])
		first.slots = slots
		return err
	default:
		first.token = s.token(drawn, 0)
	}
	return nil
}

// replies takes in an array with a reply to each op.
func (s *session) replies(ops []*op, array []byte, drawn int64) error {
	replies, err := readArray(array)
	if err != nil || len(replies) != len(ops) {
		return errReply
	}
	for i, o := range ops {
		o.reply = int32(replies[i])
		if o.reply == replyTaken {
			o.token = s.token(drawn, i)
		}
		if o.reply == replyNotAnOp {
			return errReply
		}
	}
	return nil
}

// exceptions takes in arrays of the keys that could not be taken and that were not
// held: all other ops have done what they were for.
func (s *session) exceptions(ops []*op, row [][]byte, drawn int64) error {
	if len(row) < 4 {
		return errReply
	}
	refused, err := readArray(row[0])
	if err != nil {
		return err
	}
	missing, err := readArray(row[3])
	if err != nil {
		return err
	}
	for i, o := range ops {
		switch {
		case o.code == opUnlock && !slices.Contains(missing, o.key.value):
			o.reply = replyGiven
		case o.code == opUnlock:
			o.reply = replyNotHeld
		case !slices.Contains(refused, o.key.value):
			o.reply, o.token = replyTaken, s.token(drawn, i)
		default:
			o.reply = replyBusy
		}
	}
	return nil
}

// token makes the fencing token of the i-th grant of a statement that drew a
// value, or 0 if there are no tokens.
func (s *session) token(drawn int64, i int) uint64 {
	if s.facts.sequence == "" || drawn <= 0 {
		return 0
	}
	return s.facts.timeline<<timelineShift + uint64(drawn) + uint64(i)
}
