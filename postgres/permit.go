package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A permits claims permits of a semaphore. A permit is a slot: slot i, below the
// limit, is the key base ^ i. The keys do not depend on the limit, so processes
// with different limits share their slots, and there are never more holders than
// the largest limit.
type permits struct {
	locker
	limit      int
	otherLimit atomic.Int64 // of which the observer was told
}

func newPermits(p *Provider, name string, k keys, limit int, err error) *permits {
	limit = min(limit, math.MaxInt32) // No server has room for so many.
	return &permits{locker: locker{provider: p, kind: core.KindSemaphore, name: name, keys: k, invalid: err}, limit: limit}
}

// slot returns the key of slot i.
func (k keys) slot(i int64) Key { return Int64Key(k.data.value ^ i) }

// slotOf is the inverse of slot.
func (k keys) slotOf(key Key) int64 { return key.value ^ k.data.value }

// Claim implements driver.Claimer. What is said of an interrupted locker.Claim
// holds here too.
func (l *permits) Claim(ctx context.Context) (driver.Claim, error) {
	if l.invalid != nil {
		return nil, l.invalid
	}
	if err := l.provider.queue.settled(ctx, l.keys.data); err != nil {
		return nil, err
	}
	return l.poll(ctx, nil)
}

// poll is Claim; see locker.poll.
func (l *permits) poll(ctx context.Context, lazy *listener) (driver.Claim, error) {
	for {
		c, err := l.provider.pool.carrier(ctx)
		if err != nil {
			return nil, err
		}
		w := &want{permits: l, lazy: lazy, leave: func() { l.provider.pool.leave(c, 1) }, done: make(chan struct{})}
		if lazy != nil {
			lazy.tries(c)
		}
		c.want(w)
		if lazy != nil {
			lazy.tried(c)
		}
		select {
		case <-w.done:
		case <-l.provider.pool.closing:
			return nil, l.abandon(c, w, core.ErrClosed)
		case <-ctx.Done():
			return nil, l.abandon(c, w, ctx.Err())
		}
		l.compareLimits(ctx, w.look)
		switch {
		case w.err == nil && w.claim == nil:
			return nil, core.ErrNotAcquired
		case w.err == nil:
			return w.claim, nil
		case w.unsent && !errors.Is(w.err, core.ErrClosed):
			continue
		}
		return nil, unlessEnded(ctx, w.err)
	}
}

// abandon takes an attempt back, or sees to it that what it is granted is given
// back. It returns why.
func (l *permits) abandon(c *session, w *want, why error) error {
	if !c.unwant(w) {
		l.provider.engine.GiveBack(w.undo)
	}
	return why
}

// A want is one attempt at a permit.
type want struct {
	*permits
	lazy  *listener // or nil; see locker.poll
	leave func()
	look  *op           // for other limits, or nil; before the attempt itself
	done  chan struct{} // closed when the outcome is known

	claim  *claim // nil: all slots are taken
	err    error
	unsent bool
}

// undo gives up what an attempt was granted that nobody waits for any more; see
// claim.unknown.
func (w *want) undo(ctx context.Context) error {
	if err := w.provider.pool.outlast(ctx, w.done); err != nil {
		return err
	}
	if w.claim == nil {
		return nil
	}
	return w.claim.giveUp(ctx)
}

// A family is the slots of one semaphore on one session. The server would grant
// the session a slot that it holds already, so each statement leaves those out;
// and since that must be known when the statement is sent, there is one under way
// at a time. The attempts that gather meanwhile share the next one.
type family struct {
	keys    keys
	held    map[int64]struct{}
	wanting []*want
	busy    bool
	limits  []int // that the session shows
	idle    bool  // it was not used since the last sweep
}

// want adds an attempt.
func (s *session) want(w *want) {
	s.mu.Lock()
	if s.families == nil {
		s.families = make(map[int64]*family)
	}
	f := s.families[w.keys.data.value]
	if f == nil {
		f = &family{keys: w.keys, held: make(map[int64]struct{})}
		s.families[w.keys.data.value] = f
	}
	f.idle = false
	ops := f.show(s, w)
	f.wanting = append(f.wanting, w)
	if o := s.nextPermits(f); o != nil {
		ops = append(ops, o)
	}
	s.mu.Unlock()
	s.add(ops...)
}

// unwant takes an attempt back, unless it was sent or has its outcome.
func (s *session) unwant(w *want) bool {
	s.mu.Lock()
	f := s.families[w.keys.data.value]
	i := -1
	if f != nil {
		if i = slices.Index(f.wanting, w); i >= 0 {
			f.wanting = slices.Delete(f.wanting, i, i+1)
		}
	}
	s.mu.Unlock()
	if i >= 0 {
		w.leave()
	}
	return i >= 0
}

// nextPermits returns the op for the attempts that have gathered, or nil if there
// are none or one is under way. mu is held.
func (s *session) nextPermits(f *family) *op {
	if f.busy || len(f.wanting) == 0 {
		return nil
	}
	f.busy = true
	first := f.wanting[0]
	n := 1
	for n < len(f.wanting) && n < batchRowLimit && f.wanting[n].limit == first.limit {
		n++
	}
	batch := slices.Clone(f.wanting[:n])
	f.wanting = slices.Delete(f.wanting, 0, n)

	own := make([]int64, 0, len(f.held))
	for i := range f.held {
		own = append(own, i)
	}
	k, limit := first.keys, first.limit
	o := special(s.stmts.permits,
		strconv.FormatInt(k.data.value, 10), strconv.Itoa(limit), strconv.Itoa(rand.N(limit)),
		intArray(own), strconv.FormatInt(k.gate, 10), strconv.Itoa(n))
	o.lazy = !slices.ContainsFunc(batch, func(w *want) bool { return w.lazy == nil || w.lazy.told.Load() })
	o.owner = hooks{
		undoing: func() ([]*op, bool) { return undoPermits(k, limit, own) },
		ending:  func() { s.permitted(f, batch, o) },
	}
	return o
}

// undoPermits frees every slot that a failed statement may have taken: all that
// the session did not hold. Where these are too many it says no.
func undoPermits(k keys, limit int, own []int64) ([]*op, bool) {
	const most = 4096
	if limit > most {
		return nil, false
	}
	undo := []*op{simple(opDropRead, Int64Key(k.gate)).must()}
	for i := range int64(limit) {
		if !slices.Contains(own, i) {
			undo = append(undo, simple(opDrop, k.slot(i)).must())
		}
	}
	return undo, true
}

// permitted shares out the slots that a statement took, in order of arrival, and
// sends the next one.
func (s *session) permitted(f *family, batch []*want, o *op) {
	s.mu.Lock()
	f.busy = false
	if o.err == nil {
		for _, i := range o.slots {
			f.held[i] = struct{}{}
		}
	}
	next := s.nextPermits(f)
	s.mu.Unlock()
	if next != nil {
		s.add(next)
	}
	for n, w := range batch {
		switch {
		case o.err != nil:
			w.err, w.unsent = o.err, !o.sent
			w.leave()
		case n < len(o.slots):
			w.claim = w.granted(s, f, o.slots[n], nthToken(o.token, n))
		default:
			w.leave()
		}
		close(w.done)
	}
}

// nthToken returns the token of the n-th grant of a statement.
func nthToken(token uint64, n int) uint64 {
	if token == 0 {
		return 0
	}
	return token + uint64(n)
}

// granted makes a claim of a slot.
func (w *want) granted(s *session, f *family, i int64, token uint64) *claim {
	c := &claim{session: s, family: f}
	c.op.key, c.token, c.flag = w.keys.slot(i), token, w.keys.flag
	return c
}

// intArray writes an array in the text format.
func intArray(values []int64) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, v)
	}
	b.WriteByte('}')
	return b.String()
}
