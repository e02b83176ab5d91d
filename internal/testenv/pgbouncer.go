//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// PgBouncerConfig says what kind of pooler is wanted.
type PgBouncerConfig struct {
	Upstream *Postgres // must be set, and without a password

	// UpstreamAddr is where to connect instead of straight to Upstream, for a
	// faulty network between the two.
	UpstreamAddr string

	// Mode is the pool mode: "session" (also if empty), "transaction" or
	// "statement".
	Mode string

	// Settings go into the section [pgbouncer], such as
	// {"default_pool_size": "1"}.
	Settings map[string]string
}

// PgBouncer is a private connection pooler.
type PgBouncer struct{ Server }

// NewPgBouncer starts a pooler for one test, like [NewPostgres].
func NewPgBouncer(tb testing.TB, cfg PgBouncerConfig) *PgBouncer {
	tb.Helper()
	return forTest(tb, func(ctx context.Context) (*PgBouncer, error) { return StartPgBouncer(ctx, cfg) })
}

// StartPgBouncer starts a pooler. The caller must Close it.
func StartPgBouncer(ctx context.Context, cfg PgBouncerConfig) (*PgBouncer, error) {
	where, err := choose(ctx, pgbouncerFamily)
	if err != nil {
		return nil, err
	}
	var p *PgBouncer
	err = withPort(func(port int) error {
		p = &PgBouncer{Server{name: "pgbouncer", port: port}}
		p.ready = p.ping
		p.launcher, err = launcherFor(where, program{
			args: func(string) []string { return []string{"pgbouncer.ini"} },
			files: map[string]string{
				"pgbouncer.ini": cfg.ini(port),
				"users.txt":     `"postgres" ""` + "\n",
			},
		})
		if err != nil {
			return err
		}
		if err := p.Start(ctx); err != nil {
			return errors.Join(err, p.Close())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (cfg PgBouncerConfig) ini(port int) string {
	addr := cfg.UpstreamAddr
	if addr == "" {
		addr = cfg.Upstream.Addr()
	}
	host, upstream, _ := strings.Cut(addr, ":")
	settings := map[string]string{
		"listen_addr":     "127.0.0.1",
		"listen_port":     fmt.Sprint(port),
		"unix_socket_dir": "",
		"auth_type":       "trust",
		"auth_file":       "users.txt",
		"pool_mode":       cfg.Mode,
		"max_client_conn": "500",
		// A client library may ask for these at connection time.
		"ignore_startup_parameters": "extra_float_digits,options",
	}
	if cfg.Mode == "" {
		settings["pool_mode"] = "session"
	}
	maps.Copy(settings, cfg.Settings)
	var ini strings.Builder
	fmt.Fprintf(&ini, "[databases]\n* = host=%s port=%s\n[pgbouncer]\n", host, upstream)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&ini, "%s = %s\n", name, settings[name])
	}
	return ini.String()
}

func (p *PgBouncer) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close(ctx))
}

// URL returns what a client connects with, as the superuser, to the database
// postgres behind the pooler.
func (p *PgBouncer) URL() string { return postgresURL(p.Addr(), "") }

// Stop ends the pooler and returns when it has: its clients and their servers
// are cut off.
func (p *PgBouncer) Stop(ctx context.Context) error { return p.stop(ctx, syscall.SIGTERM) }

// Restart stops the pooler and starts it on the same port.
func (p *PgBouncer) Restart(ctx context.Context) error {
	if err := p.Stop(ctx); err != nil {
		return err
	}
	return p.Start(ctx)
}
