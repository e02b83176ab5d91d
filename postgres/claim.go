package postgres

import (
	"context"
	"fmt"

	"github.com/distlock/distlock-go/core"
)

// A claim is one lock, shared lock or slot that a session holds for this process.
// It implements driver.Watched. The op that takes it is a part of it, and gives it up
// later, so that a short hold costs little memory: nobody looks at the op any more
// once who awaited it has its outcome.
type claim struct {
	session *session
	row     *row      // in the session's table, while the key is taken
	stand   *standing // that waited for it on its session, or nil: that is a carrier
	family  *family   // of a slot on a carrier
	op      op        // of a claim that another op took, at first only the key
	token   uint64
	flag    int64 // shown by those who want to be told of the release
	shared  bool

	// Guarded by session.mu.
	given      bool // the unlock was sent
	lost       func(error)
	next, prev *claim // in session.claims
}

func (c *claim) key() Key { return c.op.key }

// Token implements driver.Claim.
func (c *claim) Token() uint64 { return c.token }

// Release implements driver.Claim. The unlock is sent once; every call waits for
// its outcome. If that does not come the session ends, and with it the lock: a
// release that cannot be confirmed costs the other holds of the session, but it
// does not leave a lock behind.
func (c *claim) Release(ctx context.Context) error {
	c.give(ctx)
	if err := c.op.wait(ctx); err != nil && !c.op.resolved() {
		return err
	}
	return c.outcome()
}

// give sends the unlock, unless it was sent, to be awaited with ctx.
func (c *claim) give(ctx context.Context) {
	s := c.session
	s.mu.Lock()
	if c.given {
		s.mu.Unlock()
		return
	}
	c.given = true
	c.op.reset()
	c.op.owner = c
	c.op.awaitedBy(ctx)
	if c.shared {
		c.op.init(opUnlockRead, c.key(), c.flag)
	} else {
		c.op.init(opUnlock, c.key(), c.flag)
	}
	c.row.unsettle()
	cause := s.cause
	if cause == nil {
		s.enqueue(&c.op)
	}
	s.mu.Unlock()
	if cause != nil {
		s.finish(cause, &c.op)
	}
}

// undo implements owner.
func (c *claim) undo(o *op) (undo []*op, ok bool) {
	s := c.session
	switch {
	case o.gives():
		undo = append(undo, simple(opDrop, Int64Key(c.flag)).must(), simple(opDrop, Int64Key(s.pool.common)).must())
	case o.code%opPair != opLock:
		undo = append(undo, simple(opDropRead, Int64Key(o.gate)).must())
	}
	if !c.shared {
		return append(undo, simple(opDrop, c.key()).must()), true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(undo, simple(opDropRead, c.key()).must()), !c.row.others()
}

// landed implements owner.
func (c *claim) landed(o *op) (left bool) {
	s := c.session
	switch {
	case o.gives():
		s.unlink(c)
		s.table.leave(c.row)
		if c.family != nil {
			delete(c.family.held, c.family.keys.slotOf(c.key()))
			c.family.idle = false
		}
		return c.stand == nil
	case o.err == nil && o.reply == replyTaken:
		c.token = o.token
		c.row.settle()
		return false
	default:
		s.table.leave(c.row)
		return true
	}
}

// then implements owner.
func (c *claim) then(o *op) {
	if !o.gives() {
		return
	}
	if c.stand != nil {
		c.stand.done()
	}
	c.session.pool.local.tell(c.flag)
	if o.err == nil && o.reply != replyGiven && !o.redone {
		c.session.kill("a lock that this session held was unlocked by somebody else")
	}
}

// outcome explains the outcome of the unlock.
func (c *claim) outcome() error {
	o := &c.op
	switch {
	case o.err == nil && (o.reply == replyGiven || o.redone):
		return nil
	case o.err == nil:
		return fmt.Errorf("%w: the session did not hold the lock", core.ErrLost)
	case sqlState(o.err) != "" && c.session.alive():
		return nil // It failed and was undone, which is the same.
	}
	return fmt.Errorf("%w: %w", core.ErrLost, o.err)
}

// Watch implements driver.Watched.
func (c *claim) Watch(lost func(error)) {
	s := c.session
	s.mu.Lock()
	cause := s.cause
	if cause == nil && c.lost == nil {
		c.lost, c.next = lost, s.claims
		if c.next != nil {
			c.next.prev = c
		}
		s.claims = c
	}
	s.mu.Unlock()
	if cause != nil {
		lost(cause)
	}
}

// unlink takes a claim out of the list, if it is there. mu is held.
func (s *session) unlink(c *claim) {
	if c.lost == nil {
		return
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		s.claims = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.lost, c.next, c.prev = nil, nil, nil
}

// disown empties the list, and returns whom to tell. mu is held.
func (s *session) disown() (lost []func(error)) {
	for s.claims != nil {
		lost = append(lost, s.claims.lost)
		s.unlink(s.claims)
	}
	return lost
}

// take reserves the key of a claim and adds the op that takes it. Unless the
// answer is entered, nothing was done; see table.
func (s *session) take(c *claim) (entry, <-chan struct{}) {
	s.mu.Lock()
	r, found, changed := s.table.enter(c.key(), c.shared)
	c.row = r
	cause := s.cause
	if found == entered && cause == nil {
		s.enqueue(&c.op)
	}
	s.mu.Unlock()
	if found == entered && cause != nil {
		s.finish(cause, &c.op)
	}
	return found, changed
}

// own records that the session holds the lock of a claim.
func (s *session) own(c *claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.row, _, _ = s.table.enter(c.key(), c.shared)
	c.row.settle()
}
