package postgres

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// An op is one operation of one caller on a session. The simple ones, which have
// an opcode, are combined: all that are pending travel as one statement.
type op struct {
	code opcode
	key  Key
	gate int64 // or flag

	stmt *statement // of an op that is not simple
	args [][]byte   // its parameters, in text

	listen string // or a LISTEN or UNLISTEN statement, whole

	alone bool          // it must not share a transaction: it blocks, or may fail
	lazy  bool          // it may be late, to share a round trip with others
	allow time.Duration // how long it may take beyond the ping timeout

	// undo, which may be nil, returns the ops that make sure that this op has
	// left nothing behind, after an error which does not tell how far it came; ok
	// is false if that cannot be known.
	undo func() (ops []*op, ok bool)

	sent   bool          // guarded by session.mu
	redone bool          // it was undone and sent again, or is an undo itself
	then   func()        // if not nil, called when the outcome is known, before done is closed
	done   chan struct{} // closed when the outcome is known

	// The outcome, valid once done is closed.
	reply int32
	token uint64
	slots []int64
	err   error
}

// simple returns an op of the statement batch.
func simple(code opcode, key Key, gate int64) *op {
	if key.pair {
		code += opPair
	}
	return &op{code: code, key: key, gate: gate, done: make(chan struct{})}
}

// special returns an op with a statement of its own.
func special(stmt *statement, args ...string) *op {
	o := &op{stmt: stmt, done: make(chan struct{})}
	for _, a := range args {
		o.args = append(o.args, []byte(a))
	}
	return o
}

// listening returns a LISTEN or UNLISTEN. It takes effect at the end of its
// transaction, so it has one of its own.
func listening(verb, channel string) *op {
	return &op{listen: verb + ` "` + channel + `"`, alone: true, done: make(chan struct{})}
}

// isSimple reports whether o travels in the statement batch.
func (o *op) isSimple() bool { return o.stmt == nil && o.listen == "" }

// resolved reports whether the outcome is known.
func (o *op) resolved() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}

// finish makes the outcome known. session.mu is not held.
func (o *op) finish(err error) {
	o.err = err
	if o.then != nil {
		o.then()
	}
	close(o.done)
}

// finish makes the outcome of several ops known.
func finish(ops []*op, err error) {
	for _, o := range ops {
		o.finish(err)
	}
}

// must makes o one whose failure ends the session.
func (o *op) must() *op {
	o.undo = func() ([]*op, bool) { return nil, false }
	o.redone = true
	return o
}

// A batch is what one Sync ends: one implicit transaction, one round trip.
type batch struct {
	steps   []step
	sent    time.Time
	allow   time.Duration
	current int   // the step whose reply is being read
	err     error // of the server
}

// A step is one statement of a batch.
type step struct {
	stmt   *statement
	ops    []*op
	parses bool // it prepares its statement, and that was not confirmed yet
}

func (b *batch) ops() (all []*op) {
	for _, s := range b.steps {
		all = append(all, s.ops...)
	}
	return all
}

// takeBatch takes the next batch off the pending ops. An op that must be alone
// goes alone; of the others up to batchRowLimit go together, in their order
// within each statement.
func takeBatch(pending []*op, stmts *statements) (*batch, []*op) {
	b := &batch{}
	defer b.lighten(stmts)
	if pending[0].alone {
		b.add(pending[0], stmts)
		return b, pending[1:]
	}
	n := 0
	for n < len(pending) && n < batchRowLimit && !pending[n].alone {
		b.add(pending[n], stmts)
		n++
	}
	return b, pending[n:]
}

// add puts o into the step of its statement: the simple ops share the first one.
func (b *batch) add(o *op, stmts *statements) {
	b.allow = max(b.allow, o.allow)
	if !o.isSimple() {
		b.steps = append(b.steps, step{stmt: o.stmt, ops: []*op{o}})
		return
	}
	for i := range b.steps {
		if b.steps[i].stmt == stmts.batch {
			b.steps[i].ops = append(b.steps[i].ops, o)
			return
		}
	}
	b.steps = append(b.steps, step{stmt: stmts.batch, ops: []*op{o}})
}

// lighten replaces the statement batch by a lighter one where that will do.
func (b *batch) lighten(stmts *statements) {
	for i := range b.steps {
		s := &b.steps[i]
		if s.stmt == stmts.batch && !slices.ContainsFunc(s.ops, func(o *op) bool { return !plain(o.code) }) {
			s.stmt = stmts.locks
		}
	}
}

// write encodes the batch. Statements that the session has not prepared yet are
// prepared on the way, in the same round trip.
func (b *batch) write(fe *pgproto3.Frontend, prepared map[string]bool, common int64) {
	for i := range b.steps {
		s := &b.steps[i]
		if s.stmt == nil { // LISTEN takes no parameters and is not worth a name.
			fe.SendParse(&pgproto3.Parse{Query: s.ops[0].listen})
			fe.SendBind(&pgproto3.Bind{})
			fe.SendExecute(&pgproto3.Execute{})
			continue
		}
		if !prepared[s.stmt.name] {
			fe.SendParse(&pgproto3.Parse{Name: s.stmt.name, Query: s.stmt.text})
			prepared[s.stmt.name], s.parses = true, true
		}
		fe.SendBind(s.bind(common))
		fe.SendExecute(&pgproto3.Execute{})
	}
	fe.SendSync(&pgproto3.Sync{})
}

// binaryFormat is the format of results, and of the parameters of the batch.
const binaryFormat int16 = 1

func (s *step) bind(common int64) *pgproto3.Bind {
	m := &pgproto3.Bind{PreparedStatement: s.stmt.name, ResultFormatCodes: []int16{binaryFormat}}
	if !s.ops[0].isSimple() {
		m.Parameters = s.ops[0].args
		return m
	}
	codes, ks, gates := newArray(oidInt4, len(s.ops)), newArray(oidInt8, len(s.ops)), newArray(oidInt8, len(s.ops))
	for _, o := range s.ops {
		codes = appendInt4(codes, int32(o.code))
		ks = appendInt8(ks, o.key.value)
		gates = appendInt8(gates, o.gate)
	}
	m.ParameterFormatCodes = []int16{binaryFormat}
	m.Parameters = [][]byte{codes, ks, gates, binary.BigEndian.AppendUint64(nil, uint64(common))}
	return m
}
