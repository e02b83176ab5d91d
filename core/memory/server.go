package memory

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A Server is what the providers of several processes would share: it knows who
// holds what and who waits for it. Use [NewServer].
type Server struct {
	mu      sync.Mutex
	objects map[key]*object // those that are held; only these are waited for

	// token is the last one given, on whatever name. Tokens need to grow per
	// name only, but one counter for all lets the server forget an object that
	// nobody uses.
	token uint64
}

// NewServer returns a server that holds nothing.
func NewServer() *Server { return &Server{objects: make(map[key]*object)} }

// A key names an object.
type key struct {
	kind core.Kind
	name string
}

// How many an object admits, in the eyes of one who asks for it. A lock and a
// writer admit nobody else; readers any number of their kind; a permit the limit
// of its semaphore.
const (
	exclusive = 0
	unlimited = math.MaxInt
)

// An object is a lock, an RWLock or a semaphore that somebody holds. Whenever
// the mutex is free, the first waiter is one who does not fit in.
type object struct {
	holders []*ticket // in order of grant
	waiters []*ticket // in order of arrival
}

// A ticket is one acquire, from its arrival until it is over. Its mutable fields
// are guarded by the server's mutex.
type ticket struct {
	key   key
	admit int // exclusive, unlimited, or the limit of a semaphore
	owner core.Owner
	lease time.Duration // 0: none

	state state
	since time.Time     // of the arrival; once granted, of the grant
	until time.Time     // end of the lease
	lapse *time.Timer   // at the end of the lease
	token uint64        // once granted
	grant chan struct{} // closed when a waiter was granted the object
	cause error         // why it was lost
	tell  func(error)   // whom to tell of a loss
	other int           // a limit that somebody else uses, found on arrival; or 0
}

type state uint8

const (
	waiting state = iota
	holding
	released
	lost
)

// errBroken and errLapsed are why a hold can be lost.
var (
	errBroken = errors.New("the hold was broken")
	errLapsed = errors.New("the lease has run out")
)

// fits reports whether t may join the holders. Nobody is compared with one of
// another kind, so an exclusive holder is found by asking any of them.
func (o *object) fits(t *ticket) bool {
	n := len(o.holders)
	return n == 0 || n < t.admit && o.holders[0].admit != exclusive
}

// enter grants the object to t if it is free for it and nobody waits. Otherwise
// t lines up, or is refused; the error tells who holds the object.
func (s *Server) enter(t *ticket, lineUp bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.objects[t.key]
	if o == nil {
		o = new(object)
		s.objects[t.key] = o
	}
	t.since, t.other = time.Now(), o.otherLimit(t)
	if len(o.waiters) == 0 && o.fits(t) {
		s.give(o, t)
		return nil
	}
	if lineUp {
		t.grant = make(chan struct{})
		o.waiters = append(o.waiters, t)
	}
	return &core.HeldError{Holder: o.holders[0].holder()}
}

// give makes t a holder.
func (s *Server) give(o *object, t *ticket) {
	s.token++
	t.state, t.token, t.since = holding, s.token, time.Now()
	o.holders = append(o.holders, t)
	if t.lease > 0 {
		t.until = t.since.Add(t.lease)
		t.lapse = time.AfterFunc(t.lease, func() { s.expire(t) })
	}
	if t.grant != nil {
		close(t.grant)
	}
}

// leave ends t, whether it waits or holds, and lets in whoever comes next. It
// may be called again, and about a ticket that never arrived; only a hold that
// was lost before makes it fail.
func (s *Server) leave(t *ticket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.state == lost {
		return t.gone()
	}
	s.remove(t, released)
	return nil
}

// remove takes t out of its object, if it is there, and serves the others.
func (s *Server) remove(t *ticket, as state) {
	if t.lapse != nil {
		t.lapse.Stop()
	}
	t.state = as
	o := s.objects[t.key]
	if o == nil {
		return
	}
	same := func(other *ticket) bool { return other == t }
	o.holders = slices.DeleteFunc(o.holders, same)
	o.waiters = slices.DeleteFunc(o.waiters, same)

	// In order of arrival, and nobody passes one who does not fit: that is what
	// keeps a writer from being starved by readers.
	for len(o.waiters) > 0 && o.fits(o.waiters[0]) {
		next := o.waiters[0]
		o.waiters = slices.Delete(o.waiters, 0, 1)
		s.give(o, next)
	}
	if len(o.holders) == 0 {
		delete(s.objects, t.key)
	}
}

// renew prolongs the lease of t by its full length from now.
func (s *Server) renew(t *ticket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.state != holding {
		return t.gone()
	}
	t.until = time.Now().Add(t.lease)
	t.lapse.Reset(t.lease)
	return nil
}

// expire ends t if its lease has run out: the timer that calls it may have been
// overtaken by a renewal.
func (s *Server) expire(t *ticket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.state == holding && !time.Now().Before(t.until) {
		t.cause = errLapsed
		s.remove(t, lost)
	}
}

// watch has tell called when t is lost, or at once if it was.
func (s *Server) watch(t *ticket, tell func(error)) {
	s.mu.Lock()
	t.tell = tell
	cause := t.cause
	s.mu.Unlock()
	if cause != nil {
		tell(cause)
	}
}

// gone is the server's word that the hold has ended.
func (t *ticket) gone() error {
	return fmt.Errorf("%w: %w", core.ErrLost, cmp.Or(t.cause, core.ErrReleased))
}

// otherLimit returns a limit in use that is not t's, or 0.
func (o *object) otherLimit(t *ticket) int {
	if t.key.kind != core.KindSemaphore {
		return 0
	}
	for _, other := range slices.Concat(o.holders, o.waiters) {
		if other.admit != t.admit {
			return other.admit
		}
	}
	return 0
}
