package schedules

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/history"
)

// A book is what all seats saw. Its clock only counts: in virtual time much
// happens at one instant, and still one thing after the other.
type book struct {
	mu    sync.Mutex
	clock int64
	ops   []history.Op
	dead  map[uint64]bool // seats of nodes that have crashed: they see no more
}

const (
	theObject   = 0
	theResource = 1
)

// begin notes a call and returns its number.
func (b *book) begin(op history.Op) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dead[op.Seat] {
		return -1
	}
	b.clock++
	op.Call, op.Return = b.clock, history.Never
	b.ops = append(b.ops, op)
	return len(b.ops) - 1
}

func (b *book) end(n int, change func(op *history.Op)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n < 0 || b.dead[b.ops[n].Seat] {
		return
	}
	b.clock++
	b.ops[n].Return = b.clock
	change(&b.ops[n])
}

// crash notes that seats see no more from now on.
func (b *book) crash(seats []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock++
	for _, s := range seats {
		b.dead[s] = true
		b.ops = append(b.ops, history.Op{Seat: s, Action: history.Crash, Call: b.clock, Return: history.Never})
	}
}

// A resource is what the object guards. It checks tokens.
type resource struct {
	mu      sync.Mutex
	highest uint64
}

func (r *resource) write(token uint64, unchecked bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if token < r.highest && !unchecked {
		return false
	}
	r.highest = max(r.highest, token)
	return true
}

// A seat is one goroutine of a node.
type seat struct {
	*world
	n  *node
	id uint64
	r  *rand.Rand

	writes uint64
}

// run plays the seat's part.
func (s *seat) run() {
	for range s.rounds {
		s.pause(between(s.r, 0, term))
		if s.n.ctx.Err() != nil {
			return
		}
		if h := s.acquire(); h != nil {
			s.hold(h)
			s.release(h)
		}
	}
}

func (s *seat) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.n.ctx.Done():
	}
}

func (s *seat) acquire() core.Handle {
	op := history.Op{Seat: s.id, Shared: s.Kind == history.RWLock && s.r.IntN(3) > 0}
	lock := s.n.lock(op.Shared)
	ctx, cancel := context.WithTimeout(s.n.ctx, between(s.r, 0, 4*term))
	defer cancel()
	get := lock.Acquire
	if s.r.IntN(4) == 0 {
		op.Action, get = history.Try, lock.TryAcquire
	}
	n := s.book.begin(op)
	h, err := get(ctx)
	s.book.end(n, func(op *history.Op) {
		op.Outcome = history.OutcomeOf(err)
		if err == nil {
			op.Token = h.Token()
		}
	})
	s.prompt(ctx, "acquire")
	if err == nil {
		s.watch(h)
	}
	return h
}

// prompt reports a call that has outlived its context. A node that has crashed
// has nobody to wait for it.
func (s *seat) prompt(ctx context.Context, what string) {
	if until, ok := ctx.Deadline(); ok && time.Since(until) > 10*time.Millisecond {
		s.problem("an %s has returned %v after its context had ended", what, time.Since(until))
	}
}

// watch notes a loss at the instant at which it is told.
func (s *seat) watch(h core.Handle) {
	s.watchers.Go(func() {
		<-h.Done()
		if !errors.Is(h.Err(), core.ErrLost) {
			return
		}
		n := s.book.begin(history.Op{Seat: s.id, Action: history.Lost})
		s.book.end(n, func(*history.Op) {})
	})
}

// hold keeps the hold for a while and writes under it, also without looking
// whether it still stands.
func (s *seat) hold(h core.Handle) {
	long := s.r.IntN(3) == 0
	for range 1 + s.r.IntN(3) {
		if s.Kind != history.Semaphore && s.r.IntN(2) == 0 {
			s.write(h.Token())
		}
		d := between(s.r, 0, term/8)
		if long {
			d = between(s.r, 0, 2*term)
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-h.Done():
			timer.Stop()
			if h.Err() == nil {
				s.problem("Done is closed, and Err is nil")
			}
			if s.r.IntN(2) == 0 {
				return
			}
			s.pause(d) // It has not looked.
		}
	}
}

// write sends a write to the resource that may take long to arrive.
func (s *seat) write(token uint64) {
	there, back := between(s.r, 0, term), between(s.r, 0, term/4)
	lost := s.r.IntN(8) == 0
	if s.r.IntN(3) > 0 {
		there /= 100
	}
	s.writes++
	n := s.book.begin(history.Op{Object: theResource, Seat: s.id<<32 | s.writes, Action: history.Write, Token: token})
	s.watchers.Go(func() {
		time.Sleep(there)
		accepted := s.resource.write(token, s.Defect == UncheckedResource)
		time.Sleep(back)
		if lost {
			return
		}
		s.book.end(n, func(op *history.Op) {
			op.Outcome = history.Refused
			if accepted {
				op.Outcome = history.OK
			}
		})
	})
}

// release releases, at times with a context that has ended or ends meanwhile.
func (s *seat) release(h core.Handle) {
	ctx, cancel := s.n.ctx, context.CancelFunc(func() {})
	if s.r.IntN(3) == 0 {
		ctx, cancel = context.WithTimeout(ctx, between(s.r, -term/8, term/3))
	}
	defer cancel()
	began := time.Now()
	n := s.book.begin(history.Op{Seat: s.id, Action: history.Release})
	err := h.Release(ctx)
	s.book.end(n, func(op *history.Op) {
		op.Outcome = history.OutcomeOf(err)
		if op.Outcome == history.Gone {
			// Nothing had told of a loss, so nobody may have been let in before.
			op.Action, op.Outcome = history.Lost, history.Unknown
		}
	})
	if took := time.Since(began); took > s.releaseTimeout()+10*time.Millisecond {
		s.problem("a release took %v, with a timeout of %v", took, s.releaseTimeout())
	}
}
