package postgres

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A batch is what one Sync ends: one implicit transaction, one round trip.
type batch struct {
	ops     []*op // all of them
	whole   bool  // ops is not shared with what was pending behind them
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

// takeBatch takes the next batch off the pending ops. An op that must be alone
// goes alone; of the others up to batchRowLimit go together, the simple ones as
// the first statement, but undos apart.
func takeBatch(pending []*op, stmts *statements) (*batch, []*op) {
	n := 1
	if !pending[0].alone {
		for n < len(pending) && n < batchRowLimit && !pending[n].alone && pending[n].undoes == pending[0].undoes {
			n++
		}
	}
	b := &batch{ops: pending[:n:n]}
	if b.whole = n == len(pending); b.whole {
		b.ops = pending
	}
	together := b.ops
	if slices.ContainsFunc(b.ops, func(o *op) bool { return !o.isSimple() }) {
		together = nil
		for _, o := range b.ops {
			if o.isSimple() {
				together = append(together, o)
			} else {
				b.steps = append(b.steps, step{stmt: o.stmt, ops: []*op{o}})
				b.allow = max(b.allow, o.allow)
			}
		}
	}
	if len(together) > 0 {
		b.steps = slices.Insert(b.steps, 0, step{stmt: stmts.lightest(together), ops: together})
	}
	return b, pending[n:]
}

// lightest returns the statement for simple ops that costs the server least.
func (all *statements) lightest(ops []*op) *statement {
	if ops[0].undoes {
		return all.undo
	}
	if slices.ContainsFunc(ops, func(o *op) bool { return o.code != opLock && o.code != opUnlock }) {
		return all.batch
	}
	switch {
	case len(ops) > 1:
		return all.locks
	case ops[0].code == opLock:
		return all.lock
	default:
		return all.unlock
	}
}

// A writer encodes batches. It is guarded by session.mu.
type writer struct {
	prepared map[string]bool // the statements that the session has prepared
	common   int64           // the flag that is shown whenever another one is
	out      []byte          // what to send; the next batch uses its room again
	params   []byte
}

// encode appends a batch to w.out. Statements that the session has not prepared
// yet are prepared on the way, in the same round trip. Nothing that is encoded here
// can be too long for its message, which is the one error there could be.
func (w *writer) encode(b *batch, stmts *statements) (err error) {
	add := func(m pgproto3.FrontendMessage) {
		if err == nil {
			w.out, err = m.Encode(w.out)
		}
	}
	w.out = w.out[:0]
	for i := range b.steps {
		s := &b.steps[i]
		switch {
		case s.stmt == nil: // LISTEN takes no parameters and is not worth a name.
			add(&pgproto3.Parse{Query: s.ops[0].listen})
			add(&pgproto3.Bind{})
		case !w.prepared[s.stmt.name]:
			add(&pgproto3.Parse{Name: s.stmt.name, Query: s.stmt.text})
			w.prepared[s.stmt.name], s.parses = true, true
			fallthrough
		default:
			add(w.bind(s, stmts))
		}
		add(&pgproto3.Execute{})
	}
	add(&pgproto3.Sync{})
	return err
}

// binaryFormat is the format of results, and of the parameters of simple ops.
const binaryFormat int16 = 1

func (w *writer) bind(s *step, stmts *statements) *pgproto3.Bind {
	m := &pgproto3.Bind{PreparedStatement: s.stmt.name, ResultFormatCodes: []int16{binaryFormat}}
	if !s.ops[0].isSimple() {
		m.Parameters = s.ops[0].args
		return m
	}
	m.ParameterFormatCodes = m.ResultFormatCodes
	w.params = w.params[:0]
	var ends [4]int // of the parameters
	n := 0
	end := func() { ends[n] = len(w.params); n++ }
	array := func(oid uint32, of func(o *op) bool, value func(o *op) int64) {
		w.params = appendArray(w.params, oid, s.ops, of, value)
		end()
	}
	number := func(v int64) {
		w.params = binary.BigEndian.AppendUint64(w.params, uint64(v))
		end()
	}
	switch s.stmt {
	case stmts.lock:
		number(s.ops[0].key.value)
	case stmts.unlock:
		number(s.ops[0].key.value)
		number(s.ops[0].gate)
		number(w.common)
	case stmts.locks:
		array(oidInt8, isLock, opKey)
		array(oidInt8, isUnlock, opKey)
		array(oidInt8, isUnlock, opGate)
		number(w.common)
	default:
		array(oidInt4, isAny, opCode)
		array(oidInt8, isAny, opKey)
		array(oidInt8, isAny, opGate)
		number(w.common)
	}
	start := 0
	for _, e := range ends[:n] {
		m.Parameters = append(m.Parameters, w.params[start:e])
		start = e
	}
	return m
}

func isAny(*op) bool      { return true }
func isLock(o *op) bool   { return o.code == opLock }
func isUnlock(o *op) bool { return o.code == opUnlock }
func opCode(o *op) int64  { return int64(o.code) }
func opKey(o *op) int64   { return o.key.value }
func opGate(o *op) int64  { return o.gate }
