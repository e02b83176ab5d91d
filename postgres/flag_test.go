package postgres

import (
	"errors"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// shows checks that a flag shows, or that it could not be shown.
func shows(t *testing.T, raised <-chan error, want bool) {
	t.Helper()
	select {
	case err := <-raised:
		if (err == nil) != want {
			t.Errorf("the flag is told to be up with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody is told whether the flag is up")
	}
}

// together makes what f adds one batch.
func (s *scripted) together(f func()) {
	s.session.mu.Lock()
	s.session.gathering = true
	s.session.mu.Unlock()
	f()
	s.session.mu.Lock()
	s.session.gathering = false
	s.session.mu.Unlock()
	s.session.flushNow()
}

// answers receives a batch of one statement for simple ops, and answers it.
func (s *scripted) answers(statement string, replied ...int32) {
	s.Helper()
	s.gets(statement)
	if len(replied) == 0 {
		s.fails()
	} else {
		s.row(replies(replied...), number(0))
	}
	s.ready()
	if len(replied) > 0 && s.ops != len(replied) {
		s.Errorf("%d ops are in the statement, want %d", s.ops, len(replied))
	}
}

// A flag that two waits show is held once. So an error that strikes what travels with
// the second one does not take down the first one's.
func TestAFlagIsHeldOnce(t *testing.T) {
	s := overTCP(t)
	first := s.session.raise(1)
	s.answers("distlock_batch", replyQuiet)
	shows(t, first, true)
	var second <-chan error
	other := dropped(simple(opShare, Int64Key(2)))
	s.together(func() {
		s.session.add(other)
		second = s.session.raise(1)
	})
	s.answers("distlock_batch")              // The server has room for neither.
	s.answers("distlock_undo", replyNotHeld) // That takes down the other key alone.
	<-other.done
	shows(t, second, true)
	s.session.lower(1) // One shows it still, and nothing is sent.
	last := simple(opShare, Int64Key(3))
	s.session.add(last)
	s.answers("distlock_batch", replyTaken)
	<-last.done
	s.session.lower(1)
	s.answers("distlock_undo", replyQuiet)
}

// A flag that could not be shown is not taken down, and is tried again for the next
// who asks.
func TestAFlagThatCouldNotBeShown(t *testing.T) {
	s := overTCP(t)
	var first, second <-chan error
	s.together(func() { first, second = s.session.raise(1), s.session.raise(2) })
	s.answers("distlock_batch")
	s.answers("distlock_undo", replyQuiet, replyNotHeld)
	s.answers("distlock_batch", replyQuiet)
	s.answers("distlock_batch")
	s.answers("distlock_undo", replyNotHeld)
	shows(t, first, true)
	shows(t, second, false)
	third := s.session.raise(2) // Before the second has taken its own back.
	s.session.lower(2)
	s.answers("distlock_batch", replyQuiet)
	shows(t, third, true)
	s.together(func() {
		s.session.lower(1)
		s.session.lower(2)
	})
	s.answers("distlock_undo", replyQuiet, replyQuiet)
	eventuallyNoFlags(t, s.session)
}

// Who asks for a flag that is just being taken down, or takes down one that does not
// show yet, does not overtake: one op on it is under way at a time.
func TestAFlagChangesOneStepAtATime(t *testing.T) {
	s := overTCP(t)
	s.session.raise(1)
	s.gets("distlock_batch")
	s.session.lower(1)
	s.row(replies(replyQuiet), number(0))
	s.ready()
	s.gets("distlock_undo")
	late := s.session.raise(1)
	s.row(replies(replyQuiet), number(0))
	s.ready()
	s.answers("distlock_batch", replyQuiet)
	shows(t, late, true)
	s.session.lower(1)
	s.gets("distlock_undo")
	lost := s.session.raise(1)
	s.session.end(errors.New("the network is down"))
	shows(t, lost, false)
	after := s.session.raise(1)
	if err := <-after; !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("a flag on a session that has ended: %v", err)
	}
}

func eventuallyNoFlags(t *testing.T, s *session) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		n := len(s.flags)
		s.mu.Unlock()
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d flags are left", n)
		}
	}
}

// A flag that nobody could show and nobody wants is forgotten once: what was raised
// under its key meanwhile stays.
func TestAForgottenFlagForgetsNoOther(t *testing.T) {
	s := overTCP(t)
	s.session.mu.Lock()
	old := &flag{session: s.session, key: 1, op: simple(opRaise, Int64Key(1)), wanted: 1}
	s.session.flags[1] = old
	old.op.err = errors.New("the lock table is full")
	old.landed(old.op)
	s.session.mu.Unlock()
	s.session.lower(1)
	raised := s.session.raise(1)
	s.answers("distlock_batch", replyQuiet)
	old.then(nil)
	shows(t, raised, true)
	s.session.mu.Lock()
	if s.session.flags[1] == nil {
		t.Error("the flag that shows is forgotten")
	}
	s.session.mu.Unlock()
}
