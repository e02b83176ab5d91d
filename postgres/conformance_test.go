package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
	"github.com/distlock/distlock-go/postgres"
)

func TestMain(m *testing.M) {
	locktest.Main(locktest.Tidy(m), func(url string, o core.Observer) (core.Provider, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return postgres.Open(ctx, url, &postgres.Options{Observer: o})
	})
}

func TestConformance(t *testing.T) {
	url := serverURL(t)
	locktest.Run(t, locktest.Harness{
		Open: func(t testing.TB, o core.Observer) core.Provider {
			p, err := postgres.Open(context.Background(), url, &postgres.Options{Observer: o})
			if err != nil {
				t.Fatal(err)
			}
			return nameless{p, p}
		},
		Process: url,
		Tokens:  true,
		// Fair is not claimed: each process has one place in the server's queue, in
		// order of arrival, so processes take turns; see TestProcessesTakeTurns.
		Lose:  func(t testing.TB, _ core.Provider, kind core.Kind, name string) { terminate(t, kind, name) },
		Check: func(t testing.TB) { briefly(t, func(c *pgx.Conn) { leavesNothing(t, c) }) },
	})
}

// nameless hides that a provider is a core.Inspector. The server knows keys and
// not names, and one row for all readers of a session, so the suite's cases about
// that cannot be met; inspect_test.go has those that can.
type nameless struct {
	core.Provider
	core.Breaker
}

// terminate ends the sessions that hold an object, if there are any.
func terminate(t testing.TB, kind core.Kind, name string) {
	t.Helper()
	briefly(t, func(c *pgx.Conn) {
		query[int](t, c, `select count(pg_terminate_backend(pid)) from (select distinct pid from pg_locks
			where locktype = 'advisory' and granted and objsubid = 1
			and database = (select oid from pg_database where datname = current_database())
			and (classid::int8 << 32 | objid::int8) # $1 between 0 and 15) x`, postgres.BaseKey(kind, name))
	})
}

// briefly calls f with an ordinary connection. One that lasted would get a goroutine
// that reads, from the driver, after a write that took long on a busy machine; and
// the suite looks for goroutines that were not there before.
func briefly(t testing.TB, f func(c *pgx.Conn)) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	c, err := pgx.Connect(ctx, serverURL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	f(c)
}
