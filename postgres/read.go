package postgres

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// read receives for as long as the session lives, and ends it when the
// connection ends.
func (s *session) read() {
	for {
		m, err := s.fe.Receive()
		if err == nil {
			s.received.set()
			err = s.receive(m)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

// receive takes in one message. An error ends the session.
func (s *session) receive(m pgproto3.BackendMessage) error {
	if _, ready := m.(*pgproto3.ReadyForQuery); ready {
		return s.ready()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return s.cause // The ops have their outcome already.
	}
	switch m := m.(type) {
	case *pgproto3.NotificationResponse:
		for _, l := range s.listeners[m.Channel] {
			l.tell()
		}
		s.flush() // A lazy attempt at what was released is lazy no more.
	case *pgproto3.ErrorResponse:
		return s.failed(pgconn.ErrorResponseToPgError(m))
	case *pgproto3.ParseComplete:
		if st := s.answering(); st != nil {
			st.parses = false
		}
	case *pgproto3.DataRow:
		return s.row(m)
	case *pgproto3.CommandComplete:
		if s.answering() == nil {
			return fmt.Errorf("%w: an answer to nothing", errReply)
		}
		s.flight[0].current++
	}
	// The others confirm a step, or tell of settings and notices.
	return nil
}

// answering returns the step that the server is answering, or nil. mu is held.
func (s *session) answering() *step {
	if len(s.flight) == 0 || s.flight[0].current >= len(s.flight[0].steps) {
		return nil
	}
	return &s.flight[0].steps[s.flight[0].current]
}

// failed takes in an error. The fatal ones end the session; after the others the
// server skips the rest of the batch. mu is held.
func (s *session) failed(err *pgconn.PgError) error {
	if severity := cmpOr(err.SeverityUnlocalized, err.Severity); severity != "ERROR" || len(s.flight) == 0 {
		return err
	}
	s.flight[0].err = err
	return nil
}

// ready ends the first batch, delivers its outcome, and sends what has gathered.
func (s *session) ready() error {
	s.mu.Lock()
	if len(s.flight) == 0 {
		s.mu.Unlock()
		return nil // The end was told at the same time.
	}
	b := s.flight[0]
	s.flight = append(s.flight[:0:0], s.flight[1:]...)
	if b.err == nil && b.current != len(b.steps) {
		s.mu.Unlock()
		return s.endWith(b, fmt.Errorf("%w: %d of %d statements were answered", errReply, b.current, len(b.steps)))
	}
	if b.err != nil {
		s.mu.Unlock()
		return s.reconcile(b)
	}
	left := land(nil, b.ops)
	if len(b.ops) < worthGathering {
		s.flush()
		s.mu.Unlock()
		s.deliver(b.ops, left)
		return nil
	}
	s.gathering = true
	s.mu.Unlock()
	s.deliver(b.ops, left)
	s.gather(len(b.ops))
	return nil
}

// worthGathering is how many callers must be answered at a time for it to be
// worth while to wait for what they do next.
const worthGathering = 8

// gather lets the callers run that were just answered, n of them, and then sends
// what they have added: many of them ask for the next thing at once, and the first
// one alone would make a batch of one. A statement costs the server as much as
// thirty rows. It goes on for as long as more come, for some microseconds, and not
// for long if many others want to run: the next answer may be there.
func (s *session) gather(n int) {
	const most, longest = 32, time.Millisecond
	start := time.Now()
	for seen, turn := -1, 0; turn < most && time.Since(start) < longest; turn++ {
		runtime.Gosched()
		s.mu.Lock()
		added := len(s.pending)
		s.mu.Unlock()
		if added >= n || added == seen {
			break
		}
		seen = added
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gathering = false
	if s.cause == nil {
		s.flush()
	}
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

// inFlight reports whether the server has not answered o yet.
func (s *session) inFlight(o *op) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.flight {
		if slices.Contains(b.ops, o) {
			return true
		}
	}
	return slices.Contains(s.pending, o)
}

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
	return s.outcome(st, m.Values, drawn)
}

// outcome gives each op of a step its part of the row.
func (s *session) outcome(st *step, row [][]byte, drawn int64) error {
	first := st.ops[0]
	switch st.stmt {
	case s.stmts.batch:
		return s.replies(st.ops, row[0], drawn)
	case s.stmts.locks:
		return s.exceptions(st.ops, row, drawn)
	case s.stmts.lock:
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

// reconcile deals with a batch that failed: the error does not tell which of its
// ops were carried out, and advisory locks survive it. Each op is undone, which
// is possible as long as the session cannot have held the same lock before. The
// op of a batch of one then fails; those of a larger batch are sent again, alone,
// so that only the guilty one fails. If an op cannot be undone the session ends.
//
// The undo travels before anything that was added meanwhile, and its failure
// ends the session. A second batch in flight may have run between the two; it
// names other keys, because a key is taken by one op at a time (see table).
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
	s.mu.Lock()
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
	case len(ops) > 1:
		for _, o := range ops {
			o.alone, o.sent, o.redone = true, false, true
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

// A followed owner has something to do after its op.
type followed struct {
	owner
	next func()
}

func (f followed) then(o *op) {
	f.owner.then(o)
	f.next()
}
