package postgres

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// slice returns for how long one statement waits.
func (st *standing) slice() time.Duration {
	d := st.queue.opts.WaitSlice
	return d - d/8 + rand.N(d/4+1) // so that waits do not move in step
}

// blocking makes an op that waits at the server.
func (st *standing) blocking(stmt *statement, k int64, more ...int64) *op {
	slice := max(time.Millisecond, st.slice())
	args := []string{strconv.FormatInt(k, 10), strconv.FormatInt(slice.Milliseconds(), 10)}
	for _, a := range more {
		args = append(args, strconv.FormatInt(a, 10))
	}
	o := special(stmt, args...)
	o.alone, o.allow = true, slice
	return o
}

// clean is the undo of a wait on a session that has nothing it should keep. A
// request to cancel the wait may arrive late and hit the undo, which is then
// repeated, once.
func (st *standing) clean() ([]*op, bool) {
	o := special(st.session.stmts.unlockAll)
	again := func() ([]*op, bool) { return []*op{special(st.session.stmts.unlockAll).must()}, true }
	o.owner = hooks{undoing: again}
	return []*op{o}, true
}

func (st *standing) lockOp() *op {
	stmt := st.session.stmts.waitLock
	if st.wait.keys.data.pair {
		stmt = st.session.stmts.waitPair
	}
	o := st.blocking(stmt, st.wait.keys.data.value)
	o.owner = hooks{undoing: st.clean, ending: func() { st.arrive(o) }}
	return o
}

func (st *standing) gateOp() *op {
	stmt := st.session.stmts.waitGate
	if st.wait.place.take == opRead {
		stmt = st.session.stmts.waitGateR
	}
	o := st.blocking(stmt, st.wait.keys.gate)
	o.owner = hooks{undoing: st.clean}
	return o
}

// dataOp waits behind the turnstile. When its slice is over the turnstile is
// kept, so that it does not lose its turn to those who come later, unless the undo
// finds that the session had what is behind it: then it may have left it, too.
func (st *standing) dataOp() *op {
	all, k := st.session.stmts, st.wait.keys
	stmt, drop := all.waitWrite, opDrop
	switch {
	case st.wait.place.take == opRead && k.data.pair:
		stmt, drop = all.waitReadP, opDropRead
	case st.wait.place.take == opRead:
		stmt, drop = all.waitRead, opDropRead
	case k.data.pair:
		stmt = all.waitWritP
	}
	o := st.blocking(stmt, k.data.value, k.gate)
	h := hooks{undoing: func() ([]*op, bool) {
		undo := simple(drop, k.data)
		undo.owner = hooks{
			undoing: func() ([]*op, bool) { return nil, false },
			ending:  func() { st.passed = undo.reply == replyQuiet },
		}
		undo.redone = true
		return []*op{undo}, true
	}}
	if st.wait.place.take != opRead {
		h.ending = func() { st.arrive(o) }
	}
	o.owner = h
	return o
}
