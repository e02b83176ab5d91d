//go:build unix

package postgrestest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/postgres"
)

// overflows makes p, which has one connection to wait on, wait for the names a, on
// that connection, and b, without. It returns the outcome of the latter. Both are
// held by somebody else.
func overflows(t *testing.T, c *pgx.Conn, p *postgres.Provider) <-chan error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	outcome := make(chan error, 1)
	wait := func(name string, then func(core.Handle, error)) {
		go func() { then(p.NewLock(name).Acquire(ctx)) }()
	}
	wait("a", func(core.Handle, error) {})
	eventually(t, "one waits at the server", func() bool { return waitingFor(t, c) == 1 })
	wait("b", func(h core.Handle, err error) {
		if err == nil {
			err = h.Release(ctx)
		}
		outcome <- err
	})
	showsFlags(t, c)
	return outcome
}

// showsFlags waits until a wait without a connection of its own shows its flag, and
// the common one.
func showsFlags(t *testing.T, c *pgx.Conn) {
	t.Helper()
	eventually(t, "it shows two flags", func() bool {
		return query[int](t, c, "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and granted") == 2
	})
}

// A wait without a connection of its own outlasts an absence of the server, as one
// that has its own does, and listens again afterwards.
func TestOverflowOutlastsAnAbsence(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	proxy := faultproxy.New(t, pg.Addr())
	c, p := connect(t, pg.URL()), open(t, pg.URL(), nil)
	q := open(t, through(t, pg.URL(), proxy), &postgres.Options{MaxWaiters: 1})
	a, b := acquire(t, p.NewLock("a")), acquire(t, p.NewLock("b"))
	outcome := overflows(t, c, q)
	proxy.Refuse(true)
	exec(t, c, "select pg_terminate_backend(pid) from (select distinct pid from pg_locks where locktype = 'advisory' and mode = 'ShareLock') x")
	select {
	case err := <-outcome:
		t.Fatalf("the wait ended with its session: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	proxy.Refuse(false)
	showsFlags(t, c)
	release(t, b)
	if err := <-outcome; err != nil {
		t.Error(err)
	}
	release(t, a)
}
