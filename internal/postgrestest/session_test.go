//go:build unix

package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/postgres"
)

// sessions counts the connections of the library.
func sessions(t testing.TB, c *pgx.Conn) int {
	t.Helper()
	return query[int](t, c, "select count(*) from pg_stat_activity where application_name like 'distlock %'")
}

// waitsAndLeaves lets an acquire wait at the server and then gives it up.
func waitsAndLeaves(t testing.TB, c *pgx.Conn, l core.Lock) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	left := make(chan error, 1)
	go func() {
		_, err := l.Acquire(ctx)
		left <- err
	}()
	eventually(t, "the acquire waits at the server", func() bool { return waitingFor(t, c) == 1 })
	cancel()
	wants(t, <-left, context.Canceled, core.ErrNotAcquired)
	eventually(t, "the wait has left the server", func() bool { return waitingFor(t, c) == 0 })
}

// Sessions that hold nothing are closed after a while, those to wait on as well;
// one that holds a lock stays. New ones are opened when they are needed.
func TestIdleSessionsAreClosed(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	p := open(t, pg.URL(), &postgres.Options{HoldsPerSession: 1, IdleTimeout: 100 * time.Millisecond, PingInterval: 50 * time.Millisecond})
	q := open(t, pg.URL(), nil)
	a, b, other := acquire(t, p.NewLock("a")), acquire(t, p.NewLock("b")), acquire(t, q.NewLock("c"))
	waitsAndLeaves(t, c, p.NewLock("c"))
	release(t, b)
	eventually(t, "only the sessions that hold are left", func() bool { return sessions(t, c) == 2 })
	if err := errors.Join(a.Err(), other.Err()); err != nil {
		t.Fatalf("a hold ended: %v", err)
	}
	release(t, a)
	eventually(t, "the provider has no session", func() bool { return sessions(t, c) == 1 })
	release(t, acquire(t, p.NewLock("a")))
	release(t, other)
}

// A session may be one of several that a superuser ends while the others go on
// (F72): what is on another session is not lost.
func TestOneSessionOfSeveralIsLost(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	p := open(t, pg.URL(), &postgres.Options{HoldsPerSession: 1})
	a, b := acquire(t, p.NewLock("a")), acquire(t, p.NewLock("b"))
	key := postgres.LockKey("", "a").String()
	exec(t, c, "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and (classid::int8 << 32 | objid::int8) = $1::text::int8", key)
	<-a.Done()
	if !errors.Is(a.Err(), core.ErrLost) || b.Err() != nil {
		t.Errorf("the holds are told as %v and %v", a.Err(), b.Err())
	}
	if err := a.Release(context.Background()); !errors.Is(err, core.ErrLost) {
		t.Errorf("Release of the lost one: %v", err)
	}
	release(t, b)
	release(t, acquire(t, p.NewLock("a")))
	release(t, acquire(t, p.NewLock("b")))
}

// A busy lock is told as such, and not as anything else, also where the server
// cannot say who holds it: the attempt does not ask, Inspect does.
func TestBusy(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	p, q := open(t, pg.URL(), nil), open(t, pg.URL(), nil)
	exec(t, c, "select pg_advisory_lock($1::text::int8)", postgres.LockKey("", "theirs").String())
	h := acquire(t, q.NewLock("ours"))
	for name, program := range map[string]string{"theirs": "", "ours": core.ThisProcess().Program} {
		_, err := p.NewLock(name).TryAcquire(context.Background())
		wants(t, err, core.ErrNotAcquired)
		var held *core.HeldError
		if errors.Is(err, core.ErrUnavailable) || errors.As(err, &held) || !strings.Contains(err.Error(), name) {
			t.Errorf("TryAcquire of %q: %v", name, err)
		}
		// On a busy machine the first ones may end before the server has answered.
		for wait := 50 * time.Millisecond; wait < 10*time.Second; wait *= 4 {
			ctx, cancel := context.WithTimeout(context.Background(), wait)
			_, err = p.NewLock(name).Acquire(ctx)
			cancel()
			if errors.Is(err, core.ErrNotAcquired) {
				break
			}
		}
		wants(t, err, core.ErrNotAcquired, context.DeadlineExceeded)
		all, err := p.Inspect(context.Background(), name)
		if err != nil || len(all) != 1 || len(all[0].Holders) != 1 || all[0].Holders[0].Owner.Program != program {
			t.Errorf("Inspect tells of %q: %+v, %v", name, all, err)
		}
	}
	release(t, h)
	exec(t, c, "select pg_advisory_unlock_all()")
}

// A server that shuts down, and one that starts up, refuse connections with
// 57P03. That is told as a server that cannot be reached, a hold on a session that
// stands is kept, and an acquire waits until the server is there.
func TestServerStopsAndStarts(t *testing.T) {
	// Without hot_standby it accepts nobody before it has recovered.
	pg := server(t, testenv.PostgresConfig{Settings: map[string]string{"hot_standby": "off"}})
	if pg.SocketURL() == "" {
		t.Skip("the server is in a container: its data cannot be reached")
	}
	c := connect(t, pg.URL())
	p := open(t, pg.URL(), &postgres.Options{HoldsPerSession: 1})
	h := acquire(t, p.NewLock("a"))
	before := h.Token()

	// The next start asks a command for the log to recover from, which takes as
	// long as the file is there.
	hold := query[string](t, c, "show data_directory") + "/hold"
	exec(t, c, "copy (select 1) to program 'touch hold recovery.signal'")
	exec(t, c, "alter system set restore_command = 'while [ -e hold ]; do sleep 0.02; done; false'")
	if err := c.Close(context.Background()); err != nil {
		t.Fatal(err)
	}

	ctx := t.Context()
	stopping, enough := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- pg.Stop(stopping, testenv.Smart) }() // It ends when the last session has.
	refuses := func(what string) {
		t.Helper()
		var held []core.Handle // Each takes a connection, so the next one needs another.
		defer func() {
			for _, l := range held {
				release(t, l)
			}
		}()
		eventually(t, what, func() bool {
			l, err := p.NewLock(fmt.Sprint("try ", len(held))).TryAcquire(context.Background())
			if err == nil {
				held = append(held, l)
				return false
			}
			if !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNotAcquired) {
				t.Fatalf("a server that is not ready is told as %v", err)
			}
			return strings.Contains(err.Error(), "57P03")
		})
	}
	refuses("the server shuts down")
	if h.Err() != nil {
		t.Errorf("the hold ended: %v", h.Err())
	}
	release(t, h)
	enough()
	<-stopped
	if err := pg.Stop(ctx, testenv.Fast); err != nil {
		t.Fatal(err)
	}
	got := make(chan core.Handle, 1)
	go func() {
		w, err := p.NewLock("b").Acquire(ctx)
		if err != nil {
			t.Errorf("an acquire while the server is away: %v", err)
		}
		got <- w
	}()
	started := make(chan error, 1)
	go func() { started <- pg.Start(ctx) }()
	refuses("the server starts up")
	// Somebody waits for this one, and an attempt does not wait behind that. It is told
	// that the server is away, and not that somebody holds the lock.
	for range 10 {
		soon, cancel := context.WithTimeout(ctx, 10*time.Second)
		_, err := p.NewLock("b").TryAcquire(soon)
		if !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNotAcquired) || soon.Err() != nil {
			t.Errorf("TryAcquire behind an acquire that waits for the server: %v", err)
		}
		cancel()
	}
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	w := <-got
	if w == nil {
		t.FailNow()
	}
	if w.Token() <= before {
		t.Errorf("the token %d comes after %d", w.Token(), before)
	}
	release(t, w)
}
