package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/distlock/distlock-go/core"
)

// failsWith answers with an error of this code.
func (s *scripted) failsWith(code string) {
	s.backend.Send(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code, Message: "as the test says"})
}

// A statement that the batch before was to prepare, and did not come to, is no error
// of the op that uses it: it is undone and made again, once.
func TestAStatementThatWasNotPrepared(t *testing.T) {
	for _, twice := range []bool{false, true} {
		s := overTCP(t)
		first, second := dropped(simple(opShare, Int64Key(1))), dropped(simple(opShare, Int64Key(2)))
		s.session.add(first)
		s.gets("distlock_batch")
		s.session.add(second) // It does not prepare the statement again.
		s.gets("distlock_batch")
		s.fails()
		s.ready()
		s.gets("distlock_undo")
		s.failsWith(codeNoStatement) // That is the answer to the second.
		s.ready()
		s.row(replies(replyNotHeld), number(0))
		s.ready()
		s.answers("distlock_undo", replyNotHeld)
		s.gets("distlock_batch")
		if twice {
			s.failsWith(codeNoStatement)
			s.ready()
			s.answers("distlock_undo", replyNotHeld)
		} else {
			s.row(replies(replyTaken), number(100))
			s.ready()
		}
		<-first.done
		<-second.done
		if first.err == nil || (second.err != nil) != twice {
			t.Errorf("the ops are told %v and %v", first.err, second.err)
		}
	}
}

// A wait behind the turnstile whose time is over at the very moment of its grant may
// have left the turnstile, and then begins before it again.
func TestAWaitThatMayHaveLeftTheTurnstile(t *testing.T) {
	k, err := (&Options{Namespace: DefaultNamespace}).makeKeys(core.KindRWLock, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, granted := range []bool{false, true} {
		s := overTCP(t)
		w := newWait(place{take: opWrite, key: k.data}, k, &member{outcome: make(chan outcome, 1)})
		st := &standing{session: s.session, wait: w, queue: &queue{pool: s.session.pool, opts: &Options{WaitSlice: time.Second}}, gated: true}
		st.uses.Store(2)
		served := make(chan bool)
		go func() { served <- st.serve() }()
		s.gets("distlock_wait_write")
		s.failsWith(codeLockTimeout)
		s.ready()
		if granted {
			s.answers("distlock_undo", replyQuiet)
			s.gets("distlock_unlock_all")
			s.row(nil, number(0))
			s.ready()
			s.gets("distlock_wait_gate")
		} else {
			s.answers("distlock_undo", replyNotHeld)
			s.gets("distlock_wait_write")
		}
		s.session.kill("the test is over")
		<-served
	}
}
