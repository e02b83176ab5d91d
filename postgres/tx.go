package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/distlock/distlock-go/core"
)

// A Tx is an open transaction of the caller's: a [pgx.Tx], or a *sql.Tx in
// [SQLTx].
type Tx interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// SQLTx makes a Tx of a transaction of database/sql. Its driver must accept
// several statements in one Exec without arguments, as those of pgx and lib/pq
// do.
func SQLTx(tx *sql.Tx) Tx { return sqlTx{tx} }

type sqlTx struct{ tx *sql.Tx }

func (t sqlTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	_, err := t.tx.ExecContext(ctx, sql, args...)
	return pgconn.CommandTag{}, err
}

func (t sqlTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.tx.QueryRowContext(ctx, sql, args...)
}

// AcquireTx takes the lock of that name for the rest of a transaction, in one
// round trip. The end of the transaction gives it up, and so does a rollback to a
// savepoint that is older than the call. It excludes the holders of
// Provider.NewLock(name), and it works behind a pooler of any kind.
//
// It waits until ctx is done. When the deadline of ctx passes, the error matches
// context.DeadlineExceeded and core.ErrNotAcquired, and the transaction can be
// used as before; when ctx is cancelled in another way, or its deadline was more than
// 24 days away, the driver ends the connection, and the transaction with it. The
// lock_timeout and the statement_timeout of the transaction do not bound the wait, and
// have their old values afterwards.
//
// Any other error matches core.ErrUnavailable, also [ErrTxFailed] if the transaction
// had failed before, core.ErrDeadlock if the server found a cycle of transactions, or
// core.ErrInvalid if the name is not valid.
//
// There is no fencing token: a drawn one would give the transaction an id, and
// keep VACUUM from its work for as long as the lock is held. The transaction
// protects itself, since it cannot commit once its session is lost.
//
// A transaction that has the lock already is granted it again: PostgreSQL's locks
// are reentrant. AcquireTx uses the default namespace and key scheme; the methods
// of [Provider] use its own.
func AcquireTx(ctx context.Context, tx Tx, name string) error {
	return defaultKeys.acquireTx(ctx, tx, core.KindLock, name, txLock)
}

// TryAcquireTx is AcquireTx without a wait: it reports whether it has the lock. An
// error says that this is not known; it never means that the lock is held elsewhere.
func TryAcquireTx(ctx context.Context, tx Tx, name string) (bool, error) {
	return defaultKeys.tryTx(ctx, tx, core.KindLock, name, "")
}

// AcquireReadTx is AcquireTx for the reader-writer lock of that name, shared.
func AcquireReadTx(ctx context.Context, tx Tx, name string) error {
	return defaultKeys.acquireTx(ctx, tx, core.KindRWLock, name, txRead)
}

// TryAcquireReadTx is AcquireReadTx without a wait.
func TryAcquireReadTx(ctx context.Context, tx Tx, name string) (bool, error) {
	return defaultKeys.tryTx(ctx, tx, core.KindRWLock, name, "_shared")
}

// AcquireWriteTx is AcquireTx for the reader-writer lock of that name.
func AcquireWriteTx(ctx context.Context, tx Tx, name string) error {
	return defaultKeys.acquireTx(ctx, tx, core.KindRWLock, name, txWrite)
}

// TryAcquireWriteTx is AcquireWriteTx without a wait.
func TryAcquireWriteTx(ctx context.Context, tx Tx, name string) (bool, error) {
	return defaultKeys.tryTx(ctx, tx, core.KindRWLock, name, "")
}

// AcquireTx is the function of that name, with the keys of the provider.
func (p *Provider) AcquireTx(ctx context.Context, tx Tx, name string) error {
	return p.opts.acquireTx(ctx, tx, core.KindLock, name, txLock)
}

// TryAcquireTx is the function of that name, with the keys of the provider.
func (p *Provider) TryAcquireTx(ctx context.Context, tx Tx, name string) (bool, error) {
	return p.opts.tryTx(ctx, tx, core.KindLock, name, "")
}

// AcquireReadTx is the function of that name, with the keys of the provider.
func (p *Provider) AcquireReadTx(ctx context.Context, tx Tx, name string) error {
	return p.opts.acquireTx(ctx, tx, core.KindRWLock, name, txRead)
}

// TryAcquireReadTx is the function of that name, with the keys of the provider.
func (p *Provider) TryAcquireReadTx(ctx context.Context, tx Tx, name string) (bool, error) {
	return p.opts.tryTx(ctx, tx, core.KindRWLock, name, "_shared")
}

// AcquireWriteTx is the function of that name, with the keys of the provider.
func (p *Provider) AcquireWriteTx(ctx context.Context, tx Tx, name string) error {
	return p.opts.acquireTx(ctx, tx, core.KindRWLock, name, txWrite)
}

// TryAcquireWriteTx is the function of that name, with the keys of the provider.
func (p *Provider) TryAcquireWriteTx(ctx context.Context, tx Tx, name string) (bool, error) {
	return p.opts.tryTx(ctx, tx, core.KindRWLock, name, "")
}

var defaultKeys = &Options{Namespace: DefaultNamespace}

// The statements that wait. %[1]s is the key and %[2]d the turnstile. Only a
// waiting writer needs the turnstile, to stop the readers that share a session;
// a transaction that reads is a session of its own, which queues like any other.
const (
	txLock  = "select pg_advisory_xact_lock(%[1]s)"
	txRead  = "select pg_advisory_xact_lock_shared(%[1]s)"
	txWrite = "select pg_advisory_xact_lock(%[2]d);%[3]s select pg_advisory_xact_lock(%[1]s)"
)

// txRest, between two waits, lets the second one have what the first has left of the
// lock_timeout, which bounds each. Both are statements of one message, the time of
// which is statement_timestamp.
const txRest = ` select set_config('lock_timeout',
	greatest(1, %d - extract(epoch from clock_timestamp() - statement_timestamp()) * 1000)::int::text, true);`

// The frame around them, as one message. The old values are kept as the server
// shows them, which may be 30s, 1min or 1d, and are given back to it unread. A
// failure undoes all of it with the savepoint.
const (
	txBegin = `savepoint distlock;
select set_config('distlock.lock_timeout', current_setting('lock_timeout'), true),
	set_config('distlock.statement_timeout', current_setting('statement_timeout'), true);
select set_config('lock_timeout', '%d', true), set_config('statement_timeout', '0', true);
`
	txEnd = `;
select set_config('lock_timeout', current_setting('distlock.lock_timeout'), true),
	set_config('statement_timeout', current_setting('distlock.statement_timeout'), true);
release savepoint distlock`
	txUndo = `rollback to savepoint distlock; release savepoint distlock`
)

func (o *Options) acquireTx(ctx context.Context, tx Tx, kind core.Kind, name, lock string) error {
	k, err := o.txKeys(kind, name)
	if err != nil {
		return txError(name, err)
	}
	if err := ctx.Err(); err != nil {
		return txError(name, err)
	}
	within, timeout, cancel := txContext(ctx)
	defer cancel()
	rest := ""
	if timeout > 0 {
		rest = fmt.Sprintf(txRest, timeout)
	}
	_, err = tx.Exec(within, fmt.Sprintf(txBegin, timeout)+fmt.Sprintf(lock, k.data, k.gate, rest)+txEnd)
	switch state := sqlState(err); {
	case err == nil:
		return nil
	case state == "":
		return txError(name, unlessEnded(ctx, err))
	case state == codeLockTimeout:
		err = fmt.Errorf("%w; gave up waiting: %w", core.ErrNotAcquired, context.DeadlineExceeded)
	case state == codeTxFailed:
		return txError(name, unavailable(err)) // Before the savepoint: there is none to go back to.
	default:
		err = unavailable(err)
	}
	if _, undo := tx.Exec(within, txUndo); undo != nil {
		err = errors.Join(err, undo)
	}
	return txError(name, err)
}

// tryTx makes one attempt. A writer that waits stands in the queue of the key
// itself, so the turnstile need not be asked.
func (o *Options) tryTx(ctx context.Context, tx Tx, kind core.Kind, name, suffix string) (ok bool, err error) {
	k, err := o.txKeys(kind, name)
	if err == nil {
		err = tx.QueryRow(ctx, fmt.Sprintf("select pg_try_advisory_xact_lock%s(%s)", suffix, k.data)).Scan(&ok)
		if err != nil {
			err = unlessEnded(ctx, err)
		}
	}
	if err != nil {
		return false, txError(name, err)
	}
	return ok, nil
}

func (o *Options) txKeys(kind core.Kind, name string) (keys, error) {
	if name == "" {
		return keys{}, invalid("the name is empty")
	}
	return o.makeKeys(kind, name)
}

func txError(name string, err error) error {
	return &core.Error{Op: "acquire", Name: name, Err: err}
}

// maxTimeout is the longest lock_timeout that a server takes, in milliseconds:
// https://www.postgresql.org/docs/current/config-setting.html (integers of 32 bits)
const maxTimeout = math.MaxInt32

// txContext turns a deadline into a lock_timeout, in milliseconds, so that the
// server ends the wait and not the driver, which would end the connection. The
// context that it returns is cancelled with ctx, but only some time after the
// deadline. A timeout of 0 is none: also for a deadline that is further away than a
// lock_timeout can be, and that ends the connection like a cancellation.
func txContext(ctx context.Context) (context.Context, int64, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		within, cancel := context.WithCancel(ctx)
		return within, 0, cancel
	}
	const grace = 2 * time.Second
	within, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(grace))
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	timeout := max(1, time.Until(deadline).Milliseconds())
	if timeout > maxTimeout {
		timeout = 0
	}
	return within, timeout, func() { stop(); cancel() }
}
