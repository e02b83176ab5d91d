package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/distlock/distlock-go/core"
)

// The causes that this backend adds to core's. Each matches the sentinel of core
// that is named, too.
var (
	// ErrPooler: a proxy between this process and the server pools connections.
	// Connect to the server itself; or, if the proxy pools sessions, set
	// Options.AllowPooler; or use [AcquireTx], which works behind any proxy.
	// It matches core.ErrUnavailable.
	ErrPooler = kind(core.ErrUnavailable, "a connection pooler is between this process and the server, "+
		"so a session lock would not be this process's own: connect to the server directly, set AllowPooler if the pooler pools sessions, "+
		"or use AcquireTx")

	// ErrStandby: the server is a standby. Locks taken there exclude nobody on
	// the primary. Add target_session_attrs=primary to the connection string. It
	// matches core.ErrUnavailable.
	ErrStandby = kind(core.ErrUnavailable, "the server is a standby, whose locks exclude nobody on the primary: "+
		"name all hosts and add target_session_attrs=primary to the connection string")

	// ErrTooManyHolds: Options.MaxHolds is reached, or the server's lock table is
	// full. It matches core.ErrUnavailable.
	ErrTooManyHolds = kind(core.ErrUnavailable, "too many locks are held")

	// ErrNoToken: Options.RequireToken is set and no token can be drawn. It
	// matches core.ErrUnavailable.
	ErrNoToken = kind(core.ErrUnavailable, "no fencing token can be drawn")

	// ErrTxFailed: the transaction that was given to AcquireTx, or another function of
	// transactions, has failed before, and the server carries out nothing more in it. Roll
	// it back. It matches core.ErrUnavailable.
	ErrTxFailed = kind(core.ErrUnavailable, "the transaction has failed before")

	// ErrAuth: the server refuses the credentials. It matches
	// core.ErrUnavailable.
	ErrAuth = kind(core.ErrUnavailable, "the server refuses the credentials")
)

// A kindError is a cause of this package that is also one of core's.
type kindError struct {
	core error
	text string
}

func kind(c error, text string) error { return &kindError{c, text} }

func (e *kindError) Error() string { return e.text }
func (e *kindError) Unwrap() error { return e.core }

// SQLSTATE codes that are told apart:
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	codeLockTimeout        = "55P03"
	codeCancelled          = "57014"
	codeDeadlock           = "40P01"
	codeOutOfMemory        = "53200"
	codeTooManyConnections = "53300"
	codeCannotConnectNow   = "57P03"
	codeAdminShutdown      = "57P01"
	codeCrashShutdown      = "57P02"
	codeTxFailed           = "25P02"
	codeNoSuchObject       = "42704"
	codeNoSuchTable        = "42P01"
	codeNoPrivilege        = "42501"
	codeDuplicateTable     = "42P07"
	codeUniqueViolation    = "23505"
	codeNoSuchSchema       = "3F000"
	codeNoStatement        = "26000"
	classAuthorization     = "28"
)

// sqlState returns the SQLSTATE of an error of the server, or "".
func sqlState(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

// unavailable gives an error of the server or the network the sentinels that it
// stands for.
func unavailable(err error) error {
	switch state := sqlState(err); {
	case err == nil, errors.Is(err, core.ErrUnavailable):
		return err
	case state == codeOutOfMemory:
		return fmt.Errorf("%w: the server's lock table is full; raise max_locks_per_transaction: %w", ErrTooManyHolds, err)
	case state == codeDeadlock:
		return fmt.Errorf("%w: %w", core.ErrDeadlock, err)
	case state == codeTxFailed:
		return fmt.Errorf("%w: %w", ErrTxFailed, err)
	case strings.HasPrefix(state, classAuthorization):
		return fmt.Errorf("%w: %w", ErrAuth, err)
	}
	return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
}

// transient reports whether a later attempt to connect may succeed without
// anybody's doing: the server is starting, stopping, full or away.
func transient(err error) bool {
	switch state := sqlState(err); {
	case errors.Is(err, ErrPooler), errors.Is(err, ErrNoToken), errors.Is(err, core.ErrInvalid), errors.Is(err, core.ErrClosed):
		return false
	case state == "":
		return true // the network
	default:
		return waitable(err) || state == codeAdminShutdown || state == codeCrashShutdown
	}
}

// waitable reports whether the server is there and asks to come back later.
func waitable(err error) bool {
	state := sqlState(err)
	return state == codeCannotConnectNow || state == codeTooManyConnections
}

// connectError describes a failed attempt to connect. The driver's own error
// carries its configuration, password included, so it is not passed on; what it
// says about the host and the cause is.
func connectError(ctx context.Context, err error) error {
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = fmt.Errorf("connect as %q to database %q: %w", c.Config.User, c.Config.Database, c.Unwrap())
	}
	if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return unavailable(err)
}

// checkURL refuses a URL in which a part of the password would be taken for the
// database or a parameter, which errors and the server's log name. The driver and
// libpq read the hosts up to the first "/", so an "@" behind it tells that one in the
// password was not escaped. It does not quote it.
func checkURL(dsn string) error {
	_, rest, _ := strings.Cut(dsn, "://")
	if _, behind, _ := strings.Cut(rest, "/"); isURL(dsn) && strings.Contains(behind, "@") {
		return invalid(`there is an "@" behind the place of the hosts: in a user or a password write %%2F for "/", and elsewhere %%40 for "@"`)
	}
	return nil
}

// isURL reports whether the driver reads a connection string as a URL.
func isURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// dsnError describes a connection string that cannot be read. The driver's
// message may contain a part of the password if that holds a character that ends
// the field, so it is used only where that cannot be.
func dsnError(dsn string, err error) error {
	const advice = "percent-encode special characters of the user and the password"
	var parse *pgconn.ParseConfigError
	if !errors.As(err, &parse) {
		return invalid("the connection string cannot be read: %s", advice)
	}
	if strings.Contains(dsn, "://") {
		u, urlErr := url.Parse(dsn)
		if urlErr != nil {
			return invalid("the connection string is not a URL: %s", advice)
		}
		password, _ := u.User.Password()
		if text := cause(parse); text != "" && (password == "" || !strings.Contains(text, password)) {
			return invalid("the connection string cannot be read: %s", text)
		}
		return invalid("the connection string cannot be read: %s", advice)
	}
	if text := cause(parse); text != "" && !strings.Contains(dsn, "pass") {
		return invalid("the connection string cannot be read: %s", text)
	}
	return invalid("the connection string cannot be read; it is postgres://user:password@host/database, or key=value pairs with quotes around special values")
}

// cause returns the innermost text of a ParseConfigError, without the string.
func cause(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			break
		}
		err = next
	}
	parseConfigError := &pgconn.ParseConfigError{}
	if errors.As(err, &parseConfigError) {
		return ""
	}
	return err.Error()
}
