package postgres_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/postgres"
)

// serverURL returns the URL of the server for tests, or skips the test.
func serverURL(t testing.TB) string {
	t.Helper()
	url := os.Getenv("DISTLOCK_TEST_POSTGRES")
	if url == "" {
		if os.Getenv("DISTLOCK_REQUIRE_SERVERS") == "1" {
			t.Fatal("DISTLOCK_TEST_POSTGRES is not set, and DISTLOCK_REQUIRE_SERVERS is")
		}
		t.Skip("DISTLOCK_TEST_POSTGRES is not set: it is the URL of a PostgreSQL server")
	}
	return url
}

// open returns a provider that is closed when the test ends.
func open(t testing.TB, o *postgres.Options) *postgres.Provider {
	t.Helper()
	p, err := postgres.Open(t.Context(), serverURL(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return p
}

// admin returns an ordinary connection to the server.
func admin(t testing.TB) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), serverURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	return c
}

// query returns the one value that a query returns.
func query[T any](t testing.TB, c *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := c.QueryRow(context.WithoutCancel(t.Context()), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// eventually waits until a condition is true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("does not come true: %s", what)
		}
	}
}

// ours counts the connections, and the advisory locks, of this library's sessions
// in the database.
func ours(t testing.TB, c *pgx.Conn) (connections, locks int) {
	t.Helper()
	return query[int](t, c, `select count(*) from pg_stat_activity where application_name like 'distlock %' and datname = current_database()`),
		query[int](t, c, `select count(*) from pg_locks l join pg_stat_activity a using (pid)
			where locktype = 'advisory' and a.application_name like 'distlock %' and a.datname = current_database()`)
}

// leavesNothing checks that the server keeps nothing of the providers, which are
// closed.
func leavesNothing(t testing.TB, c *pgx.Conn) {
	t.Helper()
	eventually(t, "no connection and no lock of the library is left", func() bool {
		connections, locks := ours(t, c)
		return connections == 0 && locks == 0
	})
}

func postgresConfig(t testing.TB) (*pgx.ConnConfig, error) { return pgx.ParseConfig(serverURL(t)) }
