//go:build unix

package tooltest

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/internal/testenv"
)

func execute(t *testing.T, serverURL string, statements ...string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), serverURL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	for _, sql := range statements {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func TestPostgres(t *testing.T) {
	settings := map[string]string{"max_locks_per_transaction": "256"}
	server := testenv.NewPostgres(t, testenv.PostgresConfig{Durable: true, Settings: settings})
	d := doctor(t, server.URL(), 0)
	d.healthy(t, "postgres")
	if d.Facts["tokens"] != "yes" || !strings.HasPrefix(d.Facts["lock_table"], "0 of about 51200 ") {
		t.Errorf("the facts are %v", d.Facts)
	}
	operate(t, server.URL(), false)

	t.Run("no such database", func(t *testing.T) {
		u, err := url.Parse(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		u.Path = "/nowhere"
		doctor(t, u.String(), 69).unusable(t, `"nowhere" does not exist`)
	})
	t.Run("synchronous_commit off", func(t *testing.T) {
		execute(t, server.URL(), "alter role postgres set synchronous_commit = off")
		defer execute(t, server.URL(), "alter role postgres reset synchronous_commit")
		doctor(t, server.URL(), 1).warns(t, "synchronous_commit is off", "turn it on")
	})
	t.Run("no right to the sequence", func(t *testing.T) {
		execute(t, server.URL(), "drop sequence public.distlock_token", "create role locks login", "revoke create on schema public from public")
		u, err := url.Parse(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.User("locks")
		d := doctor(t, u.String(), 1)
		d.warns(t, "no fencing tokens", "create sequence if not exists")
		if d.Facts["tokens"] != "no" {
			t.Errorf("the facts are %v", d.Facts)
		}
		// The cure, as it is told, cures.
		_, cure, _ := strings.Cut(d.Warnings[0], ":\n")
		execute(t, server.URL(), cure)
		doctor(t, u.String(), 0).healthy(t, "postgres")
	})
	t.Run("pooler", func(t *testing.T) {
		for mode, cured := range map[string]bool{"transaction": false, "session": true} {
			pooler := testenv.NewPgBouncer(t, testenv.PgBouncerConfig{Upstream: server, Mode: mode})
			address := strings.Replace(server.URL(), server.Addr(), pooler.Addr(), 1)
			doctor(t, address, 69).unusable(t, "add allow_pooler=true")
			if cured {
				doctor(t, with(address, "allow_pooler=true"), 0).healthy(t, "postgres")
			}
		}
	})
	t.Run("standby", func(t *testing.T) {
		standby := testenv.NewPostgres(t, testenv.PostgresConfig{StandbyOf: server, Settings: settings})
		doctor(t, standby.URL(), 69).unusable(t, "target_session_attrs=primary")
	})
}

func with(address, parameter string) string {
	if strings.Contains(address, "?") {
		return address + "&" + parameter
	}
	return address + "?" + parameter
}

func TestPostgresWithASmallLockTable(t *testing.T) {
	server := testenv.NewPostgres(t, testenv.PostgresConfig{Settings: map[string]string{"max_connections": "20", "max_locks_per_transaction": "10"}})
	d := doctor(t, server.URL(), 1)
	d.warns(t, "of a lock table for about 200", "raise max_locks_per_transaction")
	d.warns(t, "fsync is off")
}
