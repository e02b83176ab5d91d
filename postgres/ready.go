package postgres

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// ready ends the first batch, delivers its outcome, and sends what has gathered.
func (s *session) ready() error {
	s.mu.Lock()
	if len(s.flight) == 0 {
		s.mu.Unlock()
		return nil // The end was told at the same time.
	}
	b := s.flight[0]
	s.flight = slices.Delete(s.flight, 0, 1)
	if b.err == nil && b.current != len(b.steps) {
		s.mu.Unlock()
		return s.endWith(b, fmt.Errorf("%w: %d of %d statements were answered", errReply, b.current, len(b.steps)))
	}
	if b.err != nil {
		s.gathering = true // Nothing is sent before the undo.
		s.mu.Unlock()
		return s.reconcile(b)
	}
	left := land(nil, b.ops)
	s.gathering = len(b.ops) >= worthGathering
	if !s.gathering {
		s.flush()
	}
	s.mu.Unlock()
	s.deliver(b.ops, left)
	if len(b.ops) >= worthGathering {
		s.gather(b)
	}
	return nil
}

// worthGathering is how many callers must be answered at a time for it to be
// worth while to wait for what they do next.
const worthGathering = 8

// gather lets the callers run that were just answered, those of a batch, and then
// sends what they have added: many of them ask for the next thing at once, and the
// first one alone would make a batch of one. A statement costs the server as much as
// thirty rows. It goes on for as long as more come, for some microseconds, and not
// for long if many others want to run: the next answer may be there.
func (s *session) gather(b *batch) {
	const most, longest = 32, time.Millisecond
	start, n := time.Now(), len(b.ops)
	clear(b.ops)
	for seen, turn := -1, 0; turn < most && time.Since(start) < longest; turn++ {
		runtime.Gosched()
		s.mu.Lock()
		added := len(s.pending)
		s.mu.Unlock()
		if added >= n || added == seen {
			break
		}
		seen = added
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gathering = false
	if b.whole && s.room == nil {
		s.room = b.ops[:0]
	}
	if s.cause == nil {
		s.flush()
	}
}
