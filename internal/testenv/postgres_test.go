//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func query[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	var value T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// within fails the test unless the check comes true in time.
func within(t *testing.T, limit time.Duration, what string, check func() error) {
	t.Helper()
	if err := until(t.Context(), limit, func(context.Context) error { return check() }); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func TestPostgresLife(t *testing.T) {
	t.Parallel()
	pg := NewPostgres(t, PostgresConfig{Settings: map[string]string{"max_connections": "17"}})
	conn := connect(t, pg.URL())
	if got := query[string](t, conn, "SHOW max_connections"); got != "17" {
		t.Errorf("max_connections is %s, want 17", got)
	}
	if p, here := pg.current.(*process); here && os.Geteuid() == 0 {
		if out, err := exec.Command("ps", "-o", "user=", "-p", fmt.Sprint(p.pid)).Output(); err == nil && strings.TrimSpace(string(out)) == "root" {
			t.Error("the server runs as root")
		}
	}
	execute(t, conn, "CREATE TABLE kept AS SELECT 0 AS answer")
	answer := 0

	for name, how := range map[string]func() error{
		"fast":      func() error { return pg.Stop(t.Context(), Fast) },
		"immediate": func() error { return pg.Stop(t.Context(), Immediate) },
		"kill":      pg.Kill,
	} {
		t.Run(name, func(t *testing.T) {
			conn := connect(t, pg.URL())
			answer++
			execute(t, conn, fmt.Sprintf("UPDATE kept SET answer = %d", answer))
			if err := how(); err != nil {
				t.Fatal(err)
			}
			if pg.Running() {
				t.Error("it still runs")
			}
			if err := conn.Ping(t.Context()); err == nil {
				t.Error("an old connection still works")
			}
			if _, err := pgx.Connect(t.Context(), pg.URL()); err == nil {
				t.Error("a new connection is taken")
			}
			if err := pg.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := query[int](t, connect(t, pg.URL()), "SELECT answer FROM kept"); got != answer {
				t.Errorf("after the restart the answer is %d; what was committed last is %d", got, answer)
			}
		})
	}
}

func TestPostgresSmartStopWaitsForClients(t *testing.T) {
	t.Parallel()
	pg := NewPostgres(t, PostgresConfig{})
	conn := connect(t, pg.URL())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := pg.Stop(ctx, Smart); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("with a client there: %v", err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := pg.Stop(t.Context(), Smart); err != nil {
		t.Fatal(err)
	}
}

// Pause must reach the backends too, each of which leads a session of its own.
func TestPostgresPauseFreezesBackends(t *testing.T) {
	t.Parallel()
	pg := NewPostgres(t, PostgresConfig{})
	conn := connect(t, pg.URL())
	if err := pg.Pause(); err != nil {
		t.Fatal(err)
	}
	if !pg.Running() {
		t.Error("a paused server does not count as running")
	}
	answer := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT 1")
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Fatalf("a paused backend answered: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := pg.Continue(); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("after the pause: %v", err)
	}
}

func TestPostgresKillLeavesNoProcess(t *testing.T) {
	t.Parallel()
	pg := NewPostgres(t, PostgresConfig{})
	backend := query[int](t, connect(t, pg.URL()), "SELECT pg_backend_pid()")
	if err := pg.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, boxed := pg.launcher.(*boxed); !boxed && !areAll(0, []int{backend}) {
		t.Errorf("backend %d outlived the kill", backend)
	}
	if err := pg.Kill(); err != nil {
		t.Errorf("a second kill: %v", err)
	}
	if err := pg.Pause(); err == nil {
		t.Error("a dead server can be paused")
	}
}

func TestPostgresPassword(t *testing.T) {
	t.Parallel()
	pg := NewPostgres(t, PostgresConfig{Password: "it's a secret"})
	connect(t, pg.URL())
	_, err := pgx.Connect(t.Context(), postgresURL(pg.Addr(), "wrong"))
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "28P01" {
		t.Errorf("with a wrong password: %v; want 28P01", err)
	}
}

func TestPostgresSocket(t *testing.T) {
	t.Parallel()
	pg := NewPostgres(t, PostgresConfig{})
	if pg.SocketURL() == "" {
		t.Skip("the server runs in a container")
	}
	conn := connect(t, pg.SocketURL())
	if addr := query[*string](t, conn, "SELECT host(inet_client_addr())"); addr != nil {
		t.Errorf("the connection comes from %s, not through the socket", *addr)
	}
}

func TestPostgresStandby(t *testing.T) {
	t.Parallel()
	primary := NewPostgres(t, PostgresConfig{})
	if primary.SocketURL() == "" {
		t.Skip("the server runs in a container")
	}
	execute(t, connect(t, primary.URL()), "CREATE TABLE t AS SELECT 1 AS n")
	standby := NewPostgres(t, PostgresConfig{StandbyOf: primary})
	conn := connect(t, standby.URL())
	if !query[bool](t, conn, "SELECT pg_is_in_recovery()") {
		t.Error("the standby is not in recovery")
	}
	within(t, 30*time.Second, "replication", func() error {
		var n int
		return conn.QueryRow(t.Context(), "SELECT n FROM t").Scan(&n)
	})
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	execute(t, conn, "INSERT INTO t VALUES (2)")
	if timeline := query[string](t, conn, "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"); timeline != "00000002" {
		t.Errorf("timeline after the promotion is %s, want 00000002", timeline)
	}
}

func TestPostgresSaysWhyItDoesNotStart(t *testing.T) {
	if _, err := choose(t.Context(), postgresFamily); err != nil {
		t.Skip(err)
	}
	pg, err := StartPostgres(t.Context(), PostgresConfig{Settings: map[string]string{"shared_buffers": "nonsense"}})
	if err == nil {
		pg.Close()
		t.Fatal("it started")
	}
	if !strings.Contains(err.Error(), "shared_buffers") {
		t.Errorf("the error does not show the server's own words: %v", err)
	}
}

func TestPgBouncerModes(t *testing.T) {
	t.Parallel()
	pg := NewPostgres(t, PostgresConfig{})
	for _, mode := range []string{"session", "transaction"} {
		t.Run(mode, func(t *testing.T) {
			pooler := NewPgBouncer(t, PgBouncerConfig{
				Upstream: pg, Mode: mode, Settings: map[string]string{"default_pool_size": "1"},
			})
			first := connect(t, pooler.URL()+"&default_query_exec_mode=simple_protocol")
			execute(t, first, "SELECT 1")
			second := make(chan error, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			go func() {
				// With one server connection, a second client gets its turn
				// between transactions or not at all.
				conn, err := pgx.Connect(ctx, pooler.URL()+"&default_query_exec_mode=simple_protocol")
				if err == nil {
					_, err = conn.Exec(ctx, "SELECT 1")
					conn.Close(context.Background())
				}
				second <- err
			}()
			if err := <-second; (err == nil) != (mode == "transaction") {
				t.Errorf("a second client in %s mode: %v", mode, err)
			}
		})
	}
	pooler := NewPgBouncer(t, PgBouncerConfig{Upstream: pg})
	conn := connect(t, pooler.URL())
	if err := pooler.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection outlived the pooler's restart")
	}
	connect(t, pooler.URL())
}
