package postgres

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// read receives for as long as the session lives, and ends it when the
// connection ends.
func (s *session) read() {
	for {
		m, err := s.fe.Receive()
		if err == nil {
			s.received.set()
			err = s.receive(m)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

// receive takes in one message. An error ends the session.
func (s *session) receive(m pgproto3.BackendMessage) error {
	switch m := m.(type) {
	case *pgproto3.ReadyForQuery:
		return s.ready()
	case *pgproto3.NotificationResponse:
		s.notified(m.Channel)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return s.cause // The ops have their outcome already.
	}
	switch m := m.(type) {
	case *pgproto3.ErrorResponse:
		return s.failed(pgconn.ErrorResponseToPgError(m))
	case *pgproto3.ParseComplete:
		if st := s.answering(); st != nil {
			st.parses = false
		}
	case *pgproto3.DataRow:
		return s.row(m)
	case *pgproto3.CommandComplete:
		if s.answering() == nil {
			return fmt.Errorf("%w: an answer to nothing", errReply)
		}
		s.flight[0].current++
	}
	// The others confirm a step, or tell of settings and notices.
	return nil
}

// notified tells those who listen of a release. Their attempts at what was released
// may be waiting on other sessions.
func (s *session) notified(channel string) {
	s.mu.Lock()
	all := slices.Clone(s.listeners[channel])
	s.mu.Unlock()
	for _, l := range all {
		l.wake()
	}
}

// answering returns the step that the server is answering, or nil. mu is held.
func (s *session) answering() *step {
	if len(s.flight) == 0 || s.flight[0].current >= len(s.flight[0].steps) {
		return nil
	}
	return &s.flight[0].steps[s.flight[0].current]
}

// failed takes in an error. The fatal ones end the session; after the others the
// server skips the rest of the batch. mu is held.
func (s *session) failed(err *pgconn.PgError) error {
	if severity := cmpOr(err.SeverityUnlocalized, err.Severity); severity != "ERROR" || len(s.flight) == 0 {
		return err
	}
	s.flight[0].err = err
	return nil
}

// inFlight reports whether the server has not answered o yet.
func (s *session) inFlight(o *op) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.flight {
		if slices.Contains(b.ops, o) {
			return true
		}
	}
	return slices.Contains(s.pending, o)
}
