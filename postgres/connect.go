package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/distlock/distlock-go/core"
)

// A dialer opens sessions.
type dialer struct {
	opts   *Options
	config func(context.Context) (*pgx.ConnConfig, error) // a fresh copy for each connection
}

// facts are what a session learns of its server before it is used.
type facts struct {
	pid      uint32 // of the server process, by its own account
	version  int    // server_version_num
	timeline uint64
	sequence string // that tokens are drawn from, quoted, or ""
	drawn    int64  // from it, before the session is used
}

// connect opens a connection, makes sure that a lock taken on it is worth
// something, and prepares it. It takes two round trips after the login.
func (d *dialer) connect(ctx context.Context) (*pgconn.PgConn, facts, error) {
	return d.open(ctx, d.prepare)
}

// open opens a connection and does with it what comes first.
func (d *dialer) open(ctx context.Context, first func(context.Context, *pgconn.PgConn) (facts, error)) (*pgconn.PgConn, facts, error) {
	ctx, cancel := context.WithTimeout(ctx, d.opts.ConnectTimeout)
	defer cancel()
	config, err := d.config(ctx)
	if err != nil {
		return nil, facts{}, unavailable(err)
	}
	conn, err := pgconn.ConnectConfig(ctx, &config.Config)
	if err != nil {
		return nil, facts{}, connectError(ctx, err)
	}
	f, err := first(ctx, conn)
	if err != nil {
		hangUp(conn)
		return nil, facts{}, err
	}
	return conn, f, nil
}

func (d *dialer) prepare(ctx context.Context, conn *pgconn.PgConn) (facts, error) {
	f, err := d.inquire(ctx, conn)
	if err != nil {
		return f, err
	}
	if f.sequence, f.drawn, err = d.opts.prepareTokens(ctx, conn); err != nil {
		return f, unlessInvalid(err)
	}
	if err := conn.SyncConn(ctx); err != nil {
		return f, unavailable(err)
	}
	return f, nil
}

func unlessInvalid(err error) error {
	if errors.Is(err, core.ErrInvalid) {
		return err
	}
	return unavailable(err)
}

// hangUp closes a connection without waiting for anybody.
func hangUp(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// inquireSQL reads the facts and, only if the connection leads to one server
// process of its own, sets the session up: behind a pooler, settings would end up
// in somebody else's session. pg_settings has only the settings that this
// version knows. A statement_timeout that is in force must not end it either.
const inquireSQL = `set local statement_timeout = 0; select pg_backend_pid(), pg_is_in_recovery(), current_setting('server_version_num'),
	case when not pg_is_in_recovery() then ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int8 end,
	(select count(set_config(s.name, v.value, false))
	from (values %s) v(name, value) join pg_catalog.pg_settings s on s.name = v.name
	where %s)`

func (d *dialer) inquire(ctx context.Context, conn *pgconn.PgConn) (f facts, err error) {
	where := "pg_backend_pid() = " + strconv.FormatUint(uint64(conn.PID()), 10)
	if d.opts.AllowPooler {
		where = "true"
	}
	results, err := conn.Exec(ctx, fmt.Sprintf(inquireSQL, d.settings(), where)).ReadAll()
	if err != nil {
		return f, unavailable(err)
	}
	row, err := oneRow(results, 5)
	if err != nil {
		return f, unavailable(err)
	}
	pid, err := strconv.ParseUint(string(row[0]), 10, 32)
	if err != nil {
		return f, unavailable(err)
	}
	f.pid = uint32(pid)
	switch {
	case f.pid != conn.PID() && !d.opts.AllowPooler:
		return f, ErrPooler
	case string(row[1]) == "t":
		return f, ErrStandby
	}
	if f.version, err = strconv.Atoi(string(row[2])); err != nil {
		return f, unavailable(err)
	}
	if f.timeline, err = strconv.ParseUint(string(row[3]), 10, 32); err != nil {
		return f, unavailable(err)
	}
	return f, nil
}

// settings are those of each session, as rows of name and value.
func (d *dialer) settings() string {
	// A client that vanishes is noticed by keepalive while nothing is under way,
	// and by tcp_user_timeout while something is. The probes begin at a third of
	// the time, so that an answer which is late does not end the session.
	timeout := d.opts.ServerTimeout
	idle := max(1, int(timeout/time.Second)/3)
	rows := []struct{ name, value string }{
		// What would end a session that only holds a lock, or a wait.
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_session_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"transaction_timeout", "0"},
		// When the server gives up on a client.
		{"tcp_keepalives_idle", strconv.Itoa(idle)},
		{"tcp_keepalives_interval", strconv.Itoa(max(1, idle/2))},
		{"tcp_keepalives_count", "4"},
		{"tcp_user_timeout", strconv.FormatInt(timeout.Milliseconds(), 10)},
		{"client_connection_check_interval", "1000"},
		// What the statements rely on.
		{"default_transaction_read_only", "off"},
		{"default_transaction_isolation", "read committed"},
		{"plan_cache_mode", "force_generic_plan"},
		{"jit", "off"},
		{"client_min_messages", "error"},
		{"application_name", applicationName(d.opts.Owner)},
	}
	var b strings.Builder
	for i, r := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "(%s, %s)", quoteLiteral(r.name), quoteLiteral(r.value))
	}
	return b.String()
}

// applicationPrefix begins the application_name of every session, by which
// Inspect knows them.
const applicationPrefix = "distlock "

// applicationName tells the owner in the 63 bytes that the server keeps:
// "distlock program:pid:host". The host is cut first.
func applicationName(o core.Owner) string {
	const longest = 63
	pid := ""
	if o.PID != 0 {
		pid = strconv.Itoa(o.PID)
	}
	program := printable(o.Program)
	if room := longest - len(applicationPrefix) - len(pid) - 2; len(program) > room {
		program = program[:room]
	}
	name := applicationPrefix + program + ":" + pid + ":" + printable(o.Host)
	return name[:min(len(name), longest)]
}

// ownerOf reads an application name, of this library or of any other program.
func ownerOf(applicationName, address string) core.Owner {
	rest, ours := strings.CutPrefix(applicationName, applicationPrefix)
	if !ours {
		return core.Owner{Program: applicationName, Host: address}
	}
	parts := strings.SplitN(rest, ":", 3)
	if len(parts) != 3 {
		return core.Owner{Program: rest, Host: address}
	}
	pid, _ := strconv.Atoi(parts[1])
	return core.Owner{Program: parts[0], PID: pid, Host: cmpOr(parts[2], address)}
}

// printable replaces what an application_name cannot hold, and the colon.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == ':' {
			return '?'
		}
		return r
	}, s)
}
