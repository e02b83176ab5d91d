package schedules

import (
	"slices"
	"sync"
	"time"

	"github.com/distlock/distlock-go/internal/history"
)

// A store is the server: one object with leases by its own clock, and a queue.
// Each of its methods is one step, as a script is on Redis.
type store struct {
	Schedule
	plan
	began time.Time

	mu      sync.Mutex
	back    time.Duration // by how much its clock was set back
	last    uint64        // token
	holders []*entry
	waiters []*entry
	over    map[ticket]bool // released; with tombstones also before it came
	given   map[ticket]bool // given up, or refused; for the judge, so no restart forgets it
	heldOff time.Time       // no grants before, by the server's clock
	wake    map[chan struct{}]bool
	pushed  map[ticket]chan struct{}
}

// A ticket names one acquire.
type ticket struct {
	node, n int
	shared  bool
}

type entry struct {
	ticket
	until time.Time
	token uint64
	late  bool // it came after it had been given up
}

// claimTerm is how long a waiter that was granted the object may take to say so.
const claimTerm = term / 2

func newStore(s Schedule) *store {
	return &store{
		Schedule: s, plan: s.plan(), began: time.Now(),
		over: make(map[ticket]bool), given: make(map[ticket]bool), wake: make(map[chan struct{}]bool), pushed: make(map[ticket]chan struct{}),
	}
}

func (s *store) now() time.Time {
	return s.began.Add(time.Duration(s.rate*float64(time.Since(s.began))) - s.back)
}

// claim grants the object to t at once, or tells that it is held.
func (s *store) claim(t ticket) (token uint64, granted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy()
	if e := find(s.holders, t); e != nil {
		return e.token, true
	}
	if s.over[t] && s.tombstones || len(s.waiters) > 0 || !s.fits(t) {
		s.given[t] = true // If it is delivered again, nobody waits for the answer.
		return 0, false
	}
	return s.grant(t, term).token, true
}

// poll is the call of a waiter: it lines up, or stays in line, or takes what it
// was granted, for a full lease from now.
func (s *store) poll(t ticket) (token uint64, granted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy()
	if e := find(s.holders, t); e != nil {
		e.until = s.now().Add(term)
		return e.token, true
	}
	if s.over[t] && s.tombstones {
		return 0, false
	}
	if e := find(s.waiters, t); e != nil {
		e.until = s.now().Add(term)
		return 0, false
	}
	if len(s.waiters) == 0 && s.fits(t) {
		return s.grant(t, term).token, true
	}
	s.waiters = append(s.waiters, &entry{ticket: t, until: s.now().Add(term), late: s.given[t]})
	return 0, false
}

// release ends t, whether it holds or waits. It reports false if t had held and
// does so no more, as far as the server remembers.
func (s *store) release(t ticket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy()
	if s.Defect == ReleaseUnchecked && len(s.holders) > 0 {
		s.holders = s.holders[1:]
	}
	had := find(s.holders, t) != nil || find(s.waiters, t) != nil || s.over[t]
	s.over[t], s.given[t] = true, true
	delete(s.pushed, t)
	same := func(e *entry) bool { return e.ticket == t }
	s.holders = slices.DeleteFunc(s.holders, same)
	s.waiters = slices.DeleteFunc(s.waiters, same)
	s.serve()
	return had
}

// renew prolongs a lease, and reports false if there is none.
func (s *store) renew(t ticket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy()
	e := find(s.holders, t)
	if e == nil {
		return false
	}
	e.until = s.now().Add(term)
	return true
}

// restart ends everything that is not data, and the data too if it is lost. A
// server without data does not know whose leases still run, so it grants nothing
// for the length of one.
func (s *store) restart(lossy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !lossy {
		return
	}
	s.holders, s.waiters = nil, nil
	s.over = make(map[ticket]bool)
	if s.Defect != NoQuarantine {
		s.heldOff = s.now().Add(term)
	}
	if s.Defect == TokenReset {
		s.last = 0
	}
}

// setBack sets the clock back: leases live longer, which costs time only.
func (s *store) setBack(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back += d
}

// fits reports whether t may hold beside those who do.
func (s *store) fits(t ticket) bool {
	n := len(s.holders)
	spare := 0
	if s.Defect == OneTooMany {
		spare = 1
	}
	switch {
	case s.now().Before(s.heldOff):
		return false
	case s.Kind == history.Semaphore:
		return n < s.limit+spare
	case n == 0:
		return true
	case s.Kind == history.RWLock && s.holders[0].shared:
		return t.shared || n <= spare
	}
	return n <= spare
}

func (s *store) grant(t ticket, d time.Duration) *entry {
	s.last++
	if s.Defect == TokenRepeated && s.last%3 == 0 {
		s.last--
	}
	e := &entry{ticket: t, until: s.now().Add(d), token: s.last, late: s.given[t]}
	s.holders = append(s.holders, e)
	return e
}

// tidy ends what has lapsed.
func (s *store) tidy() {
	now := s.now()
	lapsed := func(e *entry) bool { return !now.Before(e.until) }
	n := len(s.holders)
	s.holders = slices.DeleteFunc(s.holders, lapsed)
	s.waiters = slices.DeleteFunc(s.waiters, lapsed)
	if len(s.holders) < n || len(s.holders) == 0 {
		s.serve()
	}
}

// serve grants to those in line who fit, in order, and tells everybody. Who was
// granted the object has to poll for it in time.
func (s *store) serve() {
	for len(s.waiters) > 0 && s.fits(s.waiters[0].ticket) {
		w := s.waiters[0]
		s.waiters = s.waiters[1:]
		s.grant(w.ticket, claimTerm).late = w.late
		if c := s.pushed[w.ticket]; c != nil {
			signal(c)
		}
	}
	for c := range s.wake {
		signal(c)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func find(all []*entry, t ticket) *entry {
	if i := slices.IndexFunc(all, func(e *entry) bool { return e.ticket == t }); i >= 0 {
		return all[i]
	}
	return nil
}

// left returns the holds that nobody has reason to have when all seats have
// finished: not those that the network delivered after they were given up, nor
// those of nodes that have an excuse.
func (s *store) left(excused func(node int) bool) (left []ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy()
	for _, e := range slices.Concat(s.holders, s.waiters) {
		if !e.late && !excused(e.node) {
			left = append(left, e.ticket)
		}
	}
	return left
}
