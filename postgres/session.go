package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/distlock/distlock-go/core"
)

// A session is one connection, and the server process behind it, which many
// holds share. Whoever wants something of the server adds an op; all that are
// added while the server works on others travel together, as one statement.
//
// Three parties work on it. Callers add ops and write them out themselves if
// nothing keeps them. The reader is always receiving, so the end of the
// connection is seen at once. The watch notices a silent one.
//
// When the session ends, so do all locks of the server process, and so must all
// holds: that is told to each of them, once, by the first party that notices.
type session struct {
	conn     *pgconn.PgConn // not used after the set-up, except to cancel a wait
	net      net.Conn
	fe       *pgproto3.Frontend // the reader's
	facts    facts
	stmts    *statements
	ping     time.Duration // how long it may be silent
	answer   time.Duration // how long an answer may take
	patience time.Duration // after how long a stand-still the locks may be gone

	pool     *pool
	load     int           // of a carrier: holds, and attempts at them; guarded by pool.mu
	lost     chan struct{} // closed when the session has ended
	over     chan struct{} // closed when its goroutines have, too
	received clock         // when the server was last heard
	used     clock         // when the session last sent an op

	mu        sync.Mutex
	cause     error // why it ended
	pending   []*op
	room      []*op     // empty, for what is pending next
	flight    []*batch  // sent and not answered, at most maxFlight
	overdue   time.Time // the last sign of the server, once its answer was found to be late
	linger    *time.Timer
	gathering bool // callers that were just answered are about to add their next ops
	writing   bool // a batch, without mu
	writer    writer
	drawn     int64             // the last token
	claims    *claim            // told of the loss, a list in no order
	table     table             // of the keys that are taken on this session
	families  map[int64]*family // of slots, by their base
	flags     map[int64]*flag   // that carriers show
	listeners map[string][]*listener
}

// maxFlight is how many batches are under way at a time: one that the server
// works on, and one that travels meanwhile. More would only be smaller.
const maxFlight = 2

// lazyDelay is how long a lazy op waits for others to travel with.
const lazyDelay = 500 * time.Millisecond

// newSession starts a session on a connection that is set up.
func newSession(conn *pgconn.PgConn, f facts, p *pool) *session {
	s := &session{
		pool:      p,
		conn:      conn,
		drawn:     f.drawn,
		net:       conn.Conn(),
		fe:        conn.Frontend(),
		facts:     f,
		stmts:     makeStatements(f.sequence),
		ping:      p.opts.PingInterval,
		answer:    p.opts.PingTimeout,
		patience:  p.opts.ServerTimeout * 2 / 3,
		lost:      make(chan struct{}),
		over:      make(chan struct{}),
		writer:    writer{prepared: make(map[string]bool), common: p.common},
		flags:     make(map[int64]*flag),
		listeners: make(map[string][]*listener),
	}
	s.received.set()
	s.used.set()
	go s.run()
	return s
}

// run is the life of the session; pool.close waits for it.
func (s *session) run() {
	defer close(s.over)
	defer s.pool.forget(s)
	reader := make(chan struct{})
	go func() {
		defer close(reader)
		s.read()
	}()
	s.watch()
	<-reader
}

// add hands ops to the session, in this order. If the session has ended they
// fail with the cause, and have not been sent.
func (s *session) add(ops ...*op) {
	s.mu.Lock()
	cause := s.cause
	if cause == nil {
		s.enqueue(ops...)
	}
	s.mu.Unlock()
	if cause != nil {
		s.finish(cause, ops...)
	}
}

// enqueue is add to a session that has not ended. mu is held, but not all of the
// time, see flush.
func (s *session) enqueue(ops ...*op) {
	urgent := false
	for _, o := range ops {
		s.pending = append(s.pending, o)
		urgent = urgent || !o.lazy
	}
	if urgent {
		s.flush()
	} else if s.linger == nil {
		s.linger = time.AfterFunc(lazyDelay, s.flushLazy)
	}
}

func (s *session) flushLazy() {
	s.mu.Lock()
	s.linger = nil
	s.mu.Unlock()
	s.flushNow()
}

// flushNow sends what is pending, lazy or not.
func (s *session) flushNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == nil {
		s.flush()
	}
}

// flush sends what is pending, as far as the flight has room. mu is held, but not
// during a write, so that others can add ops meanwhile; whoever writes sends what
// they have added. The amount in flight is bounded and small, so a write blocks only
// when the connection is dead, and then the watch closes it.
func (s *session) flush() {
	for len(s.pending) > 0 && len(s.flight) < maxFlight && !s.gathering && !s.writing {
		var b *batch
		b, s.pending = takeBatch(s.pending, s.stmts)
		if len(s.pending) == 0 {
			s.pending, s.room = s.room, nil
		}
		s.used.set()
		for _, o := range b.ops {
			o.sent = true
		}
		s.send(b)
	}
}

// send writes a batch, while nobody else does. mu is held, but not during the write.
func (s *session) send(b *batch) {
	b.sent = time.Now()
	s.flight = append(s.flight, b)
	err := s.writer.encode(b, s.stmts)
	if err == nil {
		s.writing = true
		s.mu.Unlock()
		_, err = s.net.Write(s.writer.out)
		s.mu.Lock()
		s.writing = false
	}
	if err != nil {
		// The reader notices that the connection is closed, and ends the session.
		_ = s.net.Close()
	}
}

// errUnknown is the outcome of an op whose caller could not wait for it.
var errUnknown = errors.New("the outcome is not known yet")

// await waits for the outcome of o, which was added. When ctx ends first, o is
// taken back if it was not sent, and ctx.Err() returned; otherwise the error matches
// errUnknown too, and o goes on. It does not look whether the provider is closing:
// the outcome is there within the ping timeout, and Close waits for it anyway.
func (s *session) await(ctx context.Context, o *op) error {
	if o.wait(ctx) == nil {
		return o.err
	}
	if s.withdraw(o) {
		s.finish(ctx.Err(), o)
		return ctx.Err()
	}
	if o.resolved() { // Both may have come.
		return o.err
	}
	return fmt.Errorf("%w: %w", errUnknown, ctx.Err())
}

// withdraw takes o back, unless it was sent or has an outcome.
func (s *session) withdraw(o *op) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.sent || o.resolved() {
		return false
	}
	for i, p := range s.pending {
		if p == o {
			s.pending = append(s.pending[:i:i], s.pending[i+1:]...)
			return true
		}
	}
	return false
}

// alive reports whether the session has not ended, as far as is known.
func (s *session) alive() bool {
	select {
	case <-s.lost:
		return false
	default:
		return true
	}
}

// close ends the session in good order: the server is told, so that it does not
// log a broken connection. Whatever is still held on it is lost.
func (s *session) close() {
	s.mu.Lock()
	if s.cause == nil {
		_ = s.net.SetWriteDeadline(time.Now().Add(time.Second))
		if goodbye, err := (&pgproto3.Terminate{}).Encode(nil); err == nil {
			_, _ = s.net.Write(goodbye)
		}
	}
	s.mu.Unlock()
	s.end(core.ErrClosed)
}

// end ends the session with a cause. Only the first call does anything: it
// closes the connection, fails the ops, and tells the claims.
func (s *session) end(cause error) {
	s.mu.Lock()
	if s.cause != nil {
		s.mu.Unlock()
		return
	}
	if !errors.Is(cause, core.ErrClosed) {
		cause = fmt.Errorf("the session ended: %w", unavailable(cause))
	}
	s.cause = cause
	_ = s.net.Close()
	var ops []*op
	for _, b := range s.flight {
		ops = append(ops, b.ops...)
	}
	ops = append(ops, s.pending...)
	s.flight, s.pending = nil, nil
	if s.linger != nil {
		s.linger.Stop()
	}
	lost := s.disown()
	listeners := s.listeners
	s.listeners = nil
	s.table.clear()
	s.mu.Unlock()

	close(s.lost)
	for _, tell := range lost {
		tell(cause)
	}
	s.finish(cause, ops...)
	for _, all := range listeners {
		for _, l := range all {
			l.tell()
		}
	}
}

// kill ends the session because it is not known any more what it holds.
func (s *session) kill(format string, args ...any) {
	s.end(fmt.Errorf(format, args...))
}

// signal sends without blocking; ch has room for one.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
