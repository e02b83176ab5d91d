//go:build unix

package postgrestest

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/postgres"
)

// through returns the URL of a server with the proxy's address in it.
func through(t testing.TB, serverURL string, p *faultproxy.Proxy) string {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.Addr()
	return u.String()
}

// open returns a provider that is closed when the test ends.
func open(t testing.TB, url string, o *postgres.Options) *postgres.Provider {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	p, err := postgres.Open(ctx, url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func exec(t testing.TB, c *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := c.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func query[T any](t testing.TB, c *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := c.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func acquire(t testing.TB, l core.Lock) core.Handle {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	h, err := l.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func release(t testing.TB, h core.Handle) {
	t.Helper()
	if err := h.Release(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// lostWithin checks that a hold is lost, and returns how long that took.
func lostWithin(t testing.TB, h core.Handle, most time.Duration, since time.Time) time.Duration {
	t.Helper()
	select {
	case <-h.Done():
	case <-time.After(time.Until(since.Add(most + 10*time.Second))):
		t.Fatalf("the loss is not told within %v", most)
	}
	took := time.Since(since)
	if !errors.Is(h.Err(), core.ErrLost) {
		t.Errorf("the hold ended by %v", h.Err())
	}
	if took > most {
		t.Errorf("the loss was told after %v, want %v", took, most)
	}
	t.Logf("told after %v: %v", took.Round(10*time.Microsecond), h.Err())
	return took
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("does not come true: %s", what)
		}
	}
}

// waitingFor counts the sessions that wait for an advisory lock.
func waitingFor(t testing.TB, c *pgx.Conn) int {
	t.Helper()
	return query[int](t, c, "select count(*) from pg_locks where locktype = 'advisory' and not granted")
}

// locks counts the advisory locks.
func locks(t testing.TB, c *pgx.Conn) int {
	t.Helper()
	return query[int](t, c, "select count(*) from pg_locks where locktype = 'advisory'")
}

// wants checks that an error matches all of the targets.
func wants(t testing.TB, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Errorf("the error is %v; want one that matches %q", err, target)
		}
	}
	if err != nil {
		t.Log(err)
	}
}
