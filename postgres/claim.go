package postgres

import (
	"context"
	"fmt"
	"sync"

	"github.com/distlock/distlock-go/core"
)

// A claim is one lock, shared lock or slot that a session holds for this process.
// It implements driver.Watched.
type claim struct {
	session *session
	leave   func() // gives the place on the session back, once
	key     Key
	shared  bool
	flag    int64
	token   uint64

	mu     sync.Mutex
	giving *op // the unlock, once there is one
}

// Token implements driver.Claim.
func (c *claim) Token() uint64 { return c.token }

// Release implements driver.Claim. The unlock is sent once; every call waits for
// its outcome. If that does not come the session ends, and with it the lock: a
// release that cannot be confirmed costs the other holds of the session, but it
// does not leave a lock behind.
func (c *claim) Release(ctx context.Context) error {
	o := c.give()
	select {
	case <-o.done:
		return c.given(o)
	default:
	}
	select {
	case <-o.done:
		return c.given(o)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// give sends the unlock, or returns the one that was sent.
func (c *claim) give() *op {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.giving != nil {
		return c.giving
	}
	s := c.session
	o := simple(opUnlock, c.key, c.flag)
	if c.shared {
		o = simple(opUnlockRead, c.key, c.flag)
	}
	o.undo = func() ([]*op, bool) {
		undo := []*op{simple(opDrop, Int64Key(c.flag), 0).must(), simple(opDrop, Int64Key(s.pool.common), 0).must()}
		if !c.shared {
			return append(undo, simple(opDrop, c.key, 0).must()), true
		}
		return append(undo, simple(opDropRead, c.key, 0).must()), !s.others(c.key)
	}
	o.then = func() {
		s.unclaim(c)
		c.leave()
		s.pool.local.tell(c.flag)
		if o.err == nil && o.reply != replyGiven && !o.redone {
			s.kill("a lock that this session held was unlocked by somebody else")
		}
	}
	c.giving = o
	s.reopen(c.key)
	s.add(o)
	return o
}

// given explains the outcome of the unlock.
func (c *claim) given(o *op) error {
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
	if cause == nil {
		s.claims[c] = lost
	}
	s.mu.Unlock()
	if cause != nil {
		lost(cause)
	}
}

// enter reserves a key on the session; see table.
func (s *session) enter(k Key, shared bool) (entry, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.enter(k, shared)
}

// settled takes in the outcome of an op that was to take a key.
func (s *session) settled(k Key, taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if taken {
		s.table.settle(k)
	} else {
		s.table.leave(k)
	}
}

// reopen says that the key is about to be given up.
func (s *session) reopen(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.unsettle(k)
}

// others reports whether the key is taken more than once.
func (s *session) others(k Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.others(k)
}

// unclaim forgets a claim that was given up.
func (s *session) unclaim(c *claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.claims, c)
	s.table.leave(c.key)
}
