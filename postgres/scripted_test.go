package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/distlock/distlock-go/core"
)

// A scripted server answers a session as the test says, which a real one would do
// once in a long while.
type scripted struct {
	*testing.T
	conn    net.Conn
	backend *pgproto3.Backend
	session *session

	asked []string // the statements of the last batch
	ops   int      // of the last one, if it is that of simple ops
}

const scriptedPID = 42

// newScripted makes a session and the server at the other end of its connection.
func newScripted(t *testing.T, ping time.Duration, client, server net.Conn) *scripted {
	t.Helper()
	opts, err := (&Options{}).withDefaults(0)
	if err != nil {
		t.Fatal(err)
	}
	opts.PingInterval, opts.PingTimeout, opts.ServerTimeout = ping, time.Hour, 3*time.Hour
	config, err := pgconn.ParseConfig("postgres://localhost/")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgconn.Construct(&pgconn.HijackedConn{Conn: client, PID: scriptedPID, Config: config})
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(conn, facts{pid: scriptedPID, sequence: "tokens"}, newPool(&dialer{opts: opts}, nil))
	t.Cleanup(func() {
		s.end(core.ErrClosed)
		_ = server.Close()
		<-s.over
	})
	return &scripted{T: t, conn: server, backend: pgproto3.NewBackend(server, server), session: s}
}

// overTCP is newScripted with a connection that has room for what is written.
func overTCP(t *testing.T) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return newScripted(t, time.Hour, client, server)
}

// batch receives one, and returns the names of its statements.
func (s *scripted) batch() (names []string) {
	s.Helper()
	defer func() { s.asked = names }()
	if err := s.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		s.Fatal(err)
	}
	for {
		m, err := s.backend.Receive()
		if err != nil {
			s.Fatalf("no batch comes: %v", err)
		}
		switch m := m.(type) {
		case *pgproto3.Bind:
			names = append(names, m.PreparedStatement)
			if m.PreparedStatement == "distlock_batch" || m.PreparedStatement == "distlock_undo" {
				codes, err := readArray(m.Parameters[0])
				if err != nil {
					s.Fatal(err)
				}
				s.ops = len(codes)
			}
		case *pgproto3.Sync:
			return names
		}
	}
}

// gets is batch for one that must be of these statements.
func (s *scripted) gets(names ...string) {
	s.Helper()
	if got := s.batch(); !slices.Equal(got, names) {
		s.Fatalf("the server gets %q, want %q", got, names)
	}
}

// row answers a statement: the columns, without the process id of the server.
func (s *scripted) row(first, drawn []byte) {
	s.backend.Send(&pgproto3.BindComplete{})
	s.backend.Send(&pgproto3.DataRow{Values: [][]byte{first, drawn, binary.BigEndian.AppendUint32(nil, scriptedPID)}})
	s.backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
}

func (s *scripted) fails() {
	s.backend.Send(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "53200", Message: "out of shared memory"})
}

// ready ends the answer to a batch.
func (s *scripted) ready() {
	s.Helper()
	s.backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if err := s.backend.Flush(); err != nil {
		s.Fatal(err)
	}
}

func number(v int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }

// replies is what the statement batch answers.
func replies(values ...int32) []byte {
	b := binary.BigEndian.AppendUint32(nil, 1)
	for _, v := range []uint32{0, oidInt4, uint32(len(values)), 1} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, 4)
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// A transaction that failed after it had granted a lock is undone, and the attempt
// made again. If somebody else has the lock by then, it is not held here.
func TestAGrantThatWasUndoneDoesNotStand(t *testing.T) {
	s := overTCP(t)
	c := &claim{session: s.session}
	c.op.done = make(chan struct{})
	c.op.init(opLock, Int64Key(1), 0)
	c.op.owner = c
	other := special(s.session.stmts.unlockAll)
	s.session.mu.Lock()
	c.row, _, _ = s.session.table.enter(c.key(), false)
	s.session.mu.Unlock()
	s.session.add(&c.op, other)

	s.gets("distlock_lock", "distlock_unlock_all")
	s.row(number(1), number(100))
	s.fails()
	s.ready()
	s.gets("distlock_undo") // With which the lock is free for a moment.
	s.row(replies(replyQuiet), number(0))
	s.ready()
	s.gets("distlock_lock")
	s.row(number(1), nil) // It is held elsewhere.
	s.ready()
	<-c.op.done
	if c.op.reply != replyBusy || c.op.token != 0 || c.op.err != nil {
		t.Errorf("the attempt is told %d, token %d, %v; the lock is held elsewhere", c.op.reply, c.op.token, c.op.err)
	}
	s.gets("distlock_unlock_all")
	s.row(nil, number(0))
	s.ready()
	<-other.done
}

// What is added while a batch is being undone is sent after the undo: it may take
// the very key that the undo gives up.
func TestAnUndoGoesFirst(t *testing.T) {
	s := overTCP(t)
	later := special(s.session.stmts.limits)
	o := simple(opShare, Int64Key(1))
	o.owner = hooks{undoing: func() ([]*op, bool) {
		s.session.add(later)
		return []*op{simple(opDropRead, Int64Key(1)).must()}, true
	}}
	s.session.add(o)
	s.gets("distlock_batch")
	s.fails()
	s.ready()
	s.gets("distlock_undo")
	s.row(replies(replyQuiet), number(0))
	s.ready()
	s.gets("distlock_limits")
	s.row(nil, number(0))
	s.ready()
	<-o.done
	<-later.done
	if o.err == nil || later.err != nil {
		t.Errorf("the op that failed is told %v, the later one %v", o.err, later.err)
	}
}

// An undo travels alone: what it was made for, a full lock table, fails what takes a
// lock, and with it all that is in the same transaction.
func TestAnUndoIsNotMixed(t *testing.T) {
	s := overTCP(t)
	claims := make([]*claim, maxFlight+1) // The last one waits.
	for i := range claims {
		c := &claim{session: s.session}
		c.op.done = make(chan struct{})
		c.op.init(opLock, Int64Key(int64(i)), 0)
		c.op.owner = c
		s.session.mu.Lock()
		c.row, _, _ = s.session.table.enter(c.key(), false)
		s.session.mu.Unlock()
		s.session.add(&c.op)
		claims[i] = c
	}
	for range maxFlight {
		s.gets("distlock_lock")
	}
	s.fails()
	s.ready()
	s.gets("distlock_undo")
	if s.ops != 1 {
		t.Errorf("%d ops travel with the undo", s.ops-1)
	}
	for range maxFlight - 1 {
		s.row(number(1), number(100))
		s.ready()
	}
	s.row(replies(replyQuiet), number(0))
	s.ready()
	s.gets("distlock_lock")
	s.row(number(1), number(200))
	s.ready()
	for i, c := range claims {
		<-c.op.done
		if (c.op.err != nil) != (i == 0) {
			t.Errorf("lock %d: %v", i, c.op.err)
		}
	}
}

// A flag that could not be shown costs that flag: by the time it is given up, the
// session may hold the permit that it waited for.
func TestAFlagThatIsNotShownCostsNothingElse(t *testing.T) {
	k, err := (&Options{Namespace: DefaultNamespace}).makeKeys(core.KindSemaphore, "a")
	if err != nil {
		t.Fatal(err)
	}
	for failing := range 3 {
		s := overTCP(t)
		w := newWait(place{take: opPermit, key: k.data, limit: 2}, k, nil)
		st := &standing{session: s.session, wait: w, queue: &queue{pool: s.session.pool}}
		last := special(s.session.stmts.limits)
		go func() {
			st.listen()
			s.session.add(st.slotOp(), last)
		}()
		for n := -1; !slices.Contains(s.asked, "distlock_limits"); n++ { // Before the flags there is a LISTEN.
			names := s.batch()
			if slices.Contains(names, "distlock_wait_queue") && len(names) > 1 {
				t.Errorf("a slot is asked for along with %q, all of which its undo gives up", names)
			}
			if n == failing {
				s.fails()
				s.ready()
				continue
			}
			for _, name := range names {
				switch name {
				case "distlock_batch", "distlock_undo":
					s.row(replies(make([]int32, s.ops)...), number(0))
				case "distlock_unlock_all":
					t.Errorf("all that the session holds is given up when batch %d fails", failing)
					fallthrough
				default:
					s.row(nil, number(0))
				}
			}
			s.ready()
		}
		s.session.end(core.ErrClosed)
	}
}

// What is added while a ping is being written is sent after it, also if the answer
// has come by then.
func TestWhatIsAddedDuringAPingIsSent(t *testing.T) {
	client, server := net.Pipe() // A write ends when all of it was read.
	s := newScripted(t, 10*time.Millisecond, client, server)
	s.ping()
	o := special(s.session.stmts.limits)
	s.session.add(o) // It is kept: the ping is being written.
	s.ready()
	for answered := false; !answered; {
		s.session.mu.Lock()
		answered = len(s.session.flight) == 0
		s.session.ping = time.Hour
		s.session.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	if _, err := io.ReadFull(s.conn, make([]byte, 1)); err != nil { // Now the write ends.
		t.Fatal(err)
	}
	s.gets("distlock_limits")
	s.row(nil, number(0))
	s.ready()
	<-o.done
}

// ping receives a Sync that is alone, all but its last byte.
func (s *scripted) ping() {
	s.Helper()
	b := make([]byte, 4)
	if _, err := io.ReadFull(s.conn, b); err != nil || b[0] != 'S' {
		s.Fatalf("no ping comes: %q, %v", b, err)
	}
}

// Who waited for a permit on a session that has ended is told of nothing any more.
func TestNobodyListensOnASessionThatHasEnded(t *testing.T) {
	k, err := (&Options{Namespace: DefaultNamespace}).makeKeys(core.KindSemaphore, "a")
	if err != nil {
		t.Fatal(err)
	}
	s := overTCP(t)
	w := newWait(place{take: opPermit, key: k.data, limit: 2}, k, nil)
	st := &standing{session: s.session, wait: w, queue: &queue{pool: s.session.pool}, gated: true}
	st.listen()
	s.session.kill("it was terminated")
	st.serve()
	if n := len(s.session.pool.local.all); n > 0 || s.session.pool.local.some.Load() {
		t.Errorf("%d flags have listeners", n)
	}
}

// Who wants to try what a wait has left behind at a server that is away waits for
// neither the server nor, if the provider is closed, its own deadline.
func TestSettledEndsWithClose(t *testing.T) {
	pl := place{take: opLock, key: Int64Key(1)}
	w := newWait(pl, keys{}, nil)
	w.members, w.trouble = nil, errors.New("the network is down")
	closing := make(chan struct{})
	q := &queue{pool: &pool{closing: closing}, keyed: map[Key][]*wait{pl.key: {w}}}
	q.some.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.settled(ctx, pl.key); !errors.Is(err, core.ErrUnavailable) {
		t.Error("the reason is not told:", err)
	}
	close(closing)
	if err := q.settled(t.Context(), pl.key); !errors.Is(err, core.ErrClosed) {
		t.Error(err)
	}
}
