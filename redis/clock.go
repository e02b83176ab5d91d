package redis

import (
	"strconv"
	"sync"
	"time"
)

// A serverClock is what is known of the time at a server, from its replies.
type serverClock struct {
	mu         sync.Mutex
	sent, back time.Time // around the reply; zero: nothing is known
	ms         int64     // the server's time in between
}

// note takes in the server's time from a reply.
func (s *serverClock) note(c *call, ms int64) {
	if ms <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.sent.After(s.sent) {
		s.sent, s.back, s.ms = c.sent, c.back, ms
	}
}

// until returns the server's time at t for a script to compare, at the earliest
// that it can be. If nothing is known that is the time here: a server whose clock is
// ahead answers with its time, and is asked once more, while a request without a limit
// could be carried out at any time after it was taken back, and nobody would know.
func (s *serverClock) until(t time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent.IsZero() {
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	return strconv.FormatInt(s.ms+t.Sub(s.back).Milliseconds(), 10)
}

// local returns a time here that is not after the server's time ms, by the last
// reply before now. Both times of the server were cut off below the millisecond.
func (s *serverClock) local(ms int64) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent.Add(time.Duration(ms-s.ms-1) * time.Millisecond), !s.sent.IsZero()
}
