//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// PostgresConfig says what kind of server is wanted. The zero value is a server
// that trusts every local client as the superuser postgres.
type PostgresConfig struct {
	// Password, if set, is the superuser's, and every client must give its
	// own (SCRAM-SHA-256).
	Password string

	// Settings go into the server's configuration, such as
	// {"max_connections": "20"}.
	Settings map[string]string

	// Durable syncs to disk what is committed. Without it the kernel has it,
	// which is enough for a server that is killed; a power cut is nothing that
	// a test can cause.
	Durable bool

	// TLS is a certificate and its key, PEM-encoded, that the server offers to
	// clients who ask for one.
	TLS *PostgresTLS

	// StandbyOf makes the server a streaming replica of another, which must run.
	// It needs pg_basebackup beside the other programs, and no container.
	StandbyOf *Postgres

	// Env is added to the server's environment. It needs a PostgreSQL that is
	// installed, and no container.
	Env map[string]string
}

// PostgresTLS is what a server proves who it is with.
type PostgresTLS struct{ Certificate, Key string }

// Postgres is a private PostgreSQL server.
type Postgres struct {
	Server
	password  string
	socketDir string
}

// NewPostgres starts a server for one test. Without the programs the test fails
// if [RequireServers] is set, and is skipped otherwise.
func NewPostgres(tb testing.TB, cfg PostgresConfig) *Postgres {
	tb.Helper()
	return forTest(tb, func(ctx context.Context) (*Postgres, error) { return StartPostgres(ctx, cfg) })
}

// StartPostgres makes a cluster and starts a server on it. The caller must Close
// it.
func StartPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	where, err := choose(ctx, postgresFamily)
	if err != nil {
		return nil, err
	}
	var p *Postgres
	err = withPort(func(port int) error {
		p = &Postgres{password: cfg.Password, Server: Server{name: "postgres", port: port}}
		p.ready = p.ping
		if err := p.prepare(ctx, where, cfg); err != nil {
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

func (p *Postgres) prepare(ctx context.Context, where origin, cfg PostgresConfig) error {
	settings := p.settings(cfg)
	if where.dir == "" {
		if cfg.StandbyOf != nil || cfg.TLS != nil || cfg.Env != nil {
			return fmt.Errorf("%w: a standby, TLS and an environment need a PostgreSQL that is installed", ErrContained)
		}
		env := map[string]string{"POSTGRES_HOST_AUTH_METHOD": "trust", "POSTGRES_INITDB_ARGS": "--no-sync"}
		if cfg.Password != "" {
			env = map[string]string{"POSTGRES_PASSWORD": cfg.Password, "POSTGRES_INITDB_ARGS": "--no-sync"}
		}
		p.launcher = &boxed{origin: where, program: program{
			env:  env,
			args: func(string) []string { return flags(settings) },
		}}
		return nil
	}
	l, err := newLocal(program{
		env: cfg.Env,
		args: func(dir string) []string {
			return append([]string{"-D", filepath.Join(dir, "data")}, flags(settings)...)
		},
	}, where)
	if err != nil {
		return err
	}
	p.launcher, p.socketDir = l, l.work
	settings["unix_socket_directories"] = l.work
	if cfg.TLS != nil {
		settings["ssl"] = "on"
		settings["ssl_cert_file"] = filepath.Join(l.work, "server.crt")
		settings["ssl_key_file"] = filepath.Join(l.work, "server.key")
		if err := errors.Join(l.write("server.crt", cfg.TLS.Certificate), l.write("server.key", cfg.TLS.Key)); err != nil {
			return errors.Join(err, p.Close())
		}
	}
	if err := makeCluster(ctx, l, cfg); err != nil {
		return errors.Join(err, p.Close())
	}
	return nil
}

// settings returns the server's configuration.
func (p *Postgres) settings(cfg PostgresConfig) map[string]string {
	settings := map[string]string{
		"listen_addresses":  "127.0.0.1",
		"port":              strconv.Itoa(p.port),
		"max_connections":   "200",
		"logging_collector": "off",
		"log_statement":     "none",
		"fsync":             "off",
		"full_page_writes":  "off",
		"shared_buffers":    "32MB",
		"autovacuum":        "off", // It would hold locks and connections that tests count.
		"wal_level":         "replica",
		"max_wal_senders":   "5",

		"dynamic_shared_memory_type": "mmap", // Files below data; posix would outlive a server that is killed.
	}
	if cfg.Durable {
		settings["fsync"], settings["full_page_writes"] = "on", "on"
	}
	maps.Copy(settings, cfg.Settings)
	return settings
}

func flags(settings map[string]string) []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// makeCluster fills the data directory of a new server.
func makeCluster(ctx context.Context, l *local, cfg PostgresConfig) error {
	if cfg.StandbyOf != nil {
		return l.run(ctx, "pg_basebackup", "-D", "data", "-R", "--no-sync", "-c", "fast",
			"-d", cfg.StandbyOf.URL())
	}
	args := []string{"-D", "data", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"}
	if cfg.Password == "" {
		return l.run(ctx, "initdb", append(args, "--auth=trust")...)
	}
	if err := l.write("password", cfg.Password+"\n"); err != nil {
		return err
	}
	defer os.Remove(filepath.Join(l.work, "password"))
	return l.run(ctx, "initdb", append(args, "--auth=scram-sha-256", "--pwfile=password")...)
}

func (p *Postgres) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// URL returns what a client connects with, as the superuser, to the database
// postgres.
func (p *Postgres) URL() string { return postgresURL(p.Addr(), p.password) }

func postgresURL(addr, password string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: addr, Path: "/postgres", RawQuery: "sslmode=disable"}
	if password != "" {
		u.User = url.UserPassword("postgres", password)
	}
	return u.String()
}

// SocketURL returns the same for the server's Unix socket, or "" if it runs in a
// container.
func (p *Postgres) SocketURL() string {
	if p.socketDir == "" {
		return ""
	}
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres"}
	if p.password != "" {
		u.User = url.UserPassword("postgres", p.password)
	}
	u.RawQuery = url.Values{"host": {p.socketDir}, "port": {strconv.Itoa(p.port)}}.Encode()
	return u.String()
}

// Shutdown is a way to stop PostgreSQL, with its name in pg_ctl(1).
type Shutdown syscall.Signal

const (
	Smart     = Shutdown(syscall.SIGTERM) // when the last client has gone
	Fast      = Shutdown(syscall.SIGINT)  // clients are told and cut off
	Immediate = Shutdown(syscall.SIGQUIT) // as fast, and the next start recovers as after a crash
)

// Stop stops the server and returns when it has ended.
func (p *Postgres) Stop(ctx context.Context, how Shutdown) error {
	return p.stop(ctx, syscall.Signal(how))
}

// Restart stops the server and starts it on the same port.
func (p *Postgres) Restart(ctx context.Context, how Shutdown) error {
	if err := p.Stop(ctx, how); err != nil {
		return err
	}
	return p.Start(ctx)
}

// Promote makes a standby a server of its own and returns when it takes writes.
// Its timeline is one higher from then on.
func (p *Postgres) Promote(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var promoted bool
	if err := conn.QueryRow(ctx, "SELECT pg_promote()").Scan(&promoted); err != nil {
		return err
	}
	if !promoted {
		return fmt.Errorf("testenv: the standby was not promoted in time")
	}
	return nil
}
