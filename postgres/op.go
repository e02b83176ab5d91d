package postgres

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// An op is one operation of one caller on a session. The simple ones, which have
// an opcode, are combined: all that are pending travel as one statement.
type op struct {
	code  opcode
	reply int32 // see the outcome
	key   Key
	gate  int64 // or flag
	*own        // of an op that is not simple; else nil
	owner owner // or nil

	alone  bool // it must not share a transaction: it blocks, or may fail
	lazy   bool // it may be late, to share a round trip with others
	sent   bool // guarded by session.mu
	redone bool // it was undone and sent again, or is an undo itself
	undoes bool // it undoes another one, and travels with none but its like

	// When the outcome is known, known is set, and then done is closed or, if that
	// is nil, wg is done, which takes no memory of its own but cannot be awaited
	// together with anything else.
	known atomic.Bool
	wg    sync.WaitGroup
	done  chan struct{}

	// The outcome, valid once it is known.
	token uint64
	err   error
}

// own is the statement of an op that is not simple.
type own struct {
	stmt   *statement
	args   [][]byte      // its parameters, in text
	listen string        // or a LISTEN or UNLISTEN statement, whole
	allow  time.Duration // how long it may take beyond the ping timeout
	slots  []int64       // what the statement returns
}

// An owner is told of its ops.
type owner interface {
	// undo returns the ops that make sure that o has left nothing behind, after
	// an error which does not tell how far it came; ok is false if that cannot be
	// known.
	undo(o *op) (ops []*op, ok bool)

	// landed takes in the outcome of o for the session, whose mu is held. It
	// reports whether a place on the session is free again.
	landed(o *op) bool

	// then is called next, without mu, before those who wait for o are woken.
	then(o *op)
}

// hooks are an owner made of functions, each of which may be nil.
type hooks struct {
	undoing func() (ops []*op, ok bool)
	ending  func()
}

func (h hooks) undo(*op) ([]*op, bool) {
	if h.undoing == nil {
		return nil, true
	}
	return h.undoing()
}

func (h hooks) landed(*op) bool { return false }

func (h hooks) then(*op) {
	if h.ending != nil {
		h.ending()
	}
}

// simple returns an op of the statement batch.
func simple(code opcode, key Key) *op {
	o := &op{done: make(chan struct{})}
	o.init(code, key, 0)
	return o
}

// init sets what a simple op does. It leaves open how its outcome is told.
func (o *op) init(code opcode, key Key, gate int64) {
	if key.pair {
		code += opPair
	}
	o.code, o.key, o.gate = code, key, gate
}

// reset makes o, whose outcome is known and was taken, one that was never added. Its
// key stays.
func (o *op) reset() {
	o.alone, o.lazy, o.sent, o.redone, o.undoes = false, false, false, false, false
	o.known.Store(false)
	o.done, o.reply, o.token, o.err = nil, 0, 0, nil
}

// again makes o, which was undone, one to send once more, alone. What it was told
// goes with the transaction that told it: a statement that says less the second time
// must not leave the first answer standing.
func (o *op) again() {
	o.alone, o.sent, o.redone = true, false, true
	o.reply, o.token = replyBusy, 0
	if o.own != nil {
		o.slots = nil
	}
}

// gives reports whether o gives up what its claim holds.
func (o *op) gives() bool {
	code := o.code % opPair
	return o.isSimple() && (code == opUnlock || code == opUnlockRead)
}

// awaitedBy prepares o, which is not added yet, to be awaited with ctx.
func (o *op) awaitedBy(ctx context.Context) {
	if ctx.Done() == nil {
		o.wg.Add(1)
	} else {
		o.done = make(chan struct{})
	}
}

// special returns an op with a statement of its own.
func special(stmt *statement, args ...string) *op {
	o := &op{own: &own{stmt: stmt}, done: make(chan struct{})}
	for _, a := range args {
		o.args = append(o.args, []byte(a))
	}
	return o
}

// listening returns a LISTEN or UNLISTEN. It takes effect at the end of its
// transaction, so it has one of its own.
func listening(verb, channel string) *op {
	return &op{own: &own{listen: verb + ` "` + channel + `"`}, alone: true, done: make(chan struct{})}
}

// isSimple reports whether o travels with others in one statement.
func (o *op) isSimple() bool { return o.own == nil }

// resolved reports whether the outcome is known.
func (o *op) resolved() bool { return o.known.Load() }

// wait waits for the outcome, or returns ctx.Err() when ctx ends first. That is
// not looked at if the op was prepared for a context that cannot end: the outcome is
// there within the ping timeout.
func (o *op) wait(ctx context.Context) error {
	end := ctx.Done()
	switch {
	case o.done == nil:
		o.wg.Wait()
		return nil
	case end == nil: // This is quicker.
		<-o.done
		return nil
	}
	select {
	case <-o.done:
		return nil
	case <-end:
		return ctx.Err()
	}
}

// tell tells those who wait that the outcome is known. By then one of them may have
// seen it, and made o another op.
func (o *op) tell() {
	done := o.done
	o.known.Store(true)
	if done != nil {
		close(done)
	} else {
		o.wg.Done() // Nobody has seen it: whoever has no channel waits for this.
	}
}

// must makes o one whose failure ends the session.
func (o *op) must() *op {
	o.owner = hooks{undoing: func() ([]*op, bool) { return nil, false }}
	o.redone = true
	return o
}

// finish makes the outcome of ops known. mu is not held.
func (s *session) finish(err error, ops ...*op) {
	s.mu.Lock()
	left := land(err, ops)
	s.mu.Unlock()
	s.deliver(ops, left)
}

// land is the first half of finish: it takes the outcome in, and returns how many
// places on the session are free again. mu is held.
func land(err error, ops []*op) (left int) {
	for _, o := range ops {
		o.err = err
		if o.owner != nil && o.owner.landed(o) {
			left++
		}
	}
	return left
}

// deliver is the second half: it wakes those who wait. mu is not held.
func (s *session) deliver(ops []*op, left int) {
	if left > 0 {
		s.pool.leave(s, left)
	}
	for _, o := range ops {
		if o.owner != nil {
			o.owner.then(o)
		}
		o.tell()
	}
}
