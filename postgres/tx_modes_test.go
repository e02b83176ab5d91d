package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/postgres"
)

// Transactions are the caller's, and so is the way in which their driver sends
// statements. The lock is had in each, also where the server prepares no more than one
// statement at a time.
func TestTxInEveryExecMode(t *testing.T) {
	config, err := pgx.ParseConfig(serverURL(t))
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, nil)
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		config := config.Copy()
		config.DefaultQueryExecMode = mode
		inMode := func(t *testing.T, tx postgres.Tx) {
			for range 2 { // The second time what can be cached is.
				takesEach(t, p, tx)
			}
		}
		t.Run(mode.String()+"/pgx", func(t *testing.T) {
			c, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close(context.Background()) }()
			tx, err := c.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.Background()) }()
			inMode(t, tx)
		})
		t.Run(mode.String()+"/sql", func(t *testing.T) {
			db := stdlib.OpenDB(*config)
			defer func() { _ = db.Close() }()
			tx, err := db.BeginTx(t.Context(), &sql.TxOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			inMode(t, postgres.SQLTx(tx))
		})
	}
}

// takesEach takes locks in all ways that there are, and is refused one, in a
// transaction that takes them for the first time or again.
func takesEach(t *testing.T, p *postgres.Provider, tx postgres.Tx) {
	t.Helper()
	ctx, name := t.Context(), t.Name()
	for what, take := range map[string]func(context.Context, postgres.Tx, string) error{
		"": postgres.AcquireTx, "read": postgres.AcquireReadTx, "write": postgres.AcquireWriteTx,
	} {
		within, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := errors.Join(take(within, tx, name+what), take(ctx, tx, name+what))
		cancel()
		if err != nil {
			t.Fatalf("acquire %s: %v", what, err)
		}
	}
	for what, try := range map[string]func(context.Context, postgres.Tx, string) (bool, error){
		"try": postgres.TryAcquireTx, "try read": postgres.TryAcquireReadTx, "try write": postgres.TryAcquireWriteTx,
	} {
		if ok, err := try(ctx, tx, name+what); !ok || err != nil {
			t.Fatalf("%s: %v, %v", what, ok, err)
		}
	}
	for _, what := range []string{"", "try"} {
		if _, err := p.NewLock(name + what).TryAcquire(ctx); !errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("another one's attempt at %q: %v", what, err)
		}
	}
	h, err := p.NewLock(name + "theirs").Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	within, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := postgres.AcquireTx(within, tx, name+"theirs"); !errors.Is(err, core.ErrNotAcquired) {
		t.Errorf("a lock that is held: %v", err)
	}
	if ok, err := postgres.TryAcquireTx(ctx, tx, name+"theirs"); ok || err != nil {
		t.Errorf("a lock that is held: %v, %v", ok, err)
	}
	if err := h.Release(ctx); err != nil {
		t.Error(err)
	}
	setting(t, transaction{Tx: tx}, "lock_timeout")
}

// A transaction that has failed takes no lock. That is told as what it is, and not as
// a lock that is held elsewhere; and nothing of it is held after the rollback.
func TestTxThatHasFailed(t *testing.T) {
	transactions(t, func(t *testing.T, begin func(string, string) transaction) {
		p, tx := open(t, nil), begin("0", "0")
		if _, err := tx.Exec(t.Context(), "savepoint distlock"); err != nil { // The caller's own.
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "select 1 / 0"); err == nil {
			t.Fatal("the transaction has not failed")
		}
		told := func(what string, err error) {
			t.Helper()
			var state interface{ SQLState() string }
			if !errors.Is(err, postgres.ErrTxFailed) || !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNotAcquired) {
				t.Errorf("%s is told %v", what, err)
			} else if !errors.As(err, &state) || state.SQLState() != "25P02" {
				t.Errorf("%s: the server's error is not there: %v", what, err)
			}
		}
		told("AcquireTx", postgres.AcquireTx(t.Context(), tx, t.Name()))
		told("AcquireReadTx", postgres.AcquireReadTx(t.Context(), tx, t.Name()))
		told("AcquireWriteTx", postgres.AcquireWriteTx(t.Context(), tx, t.Name()))
		ok, err := postgres.TryAcquireTx(t.Context(), tx, t.Name())
		if told("TryAcquireTx", err); ok {
			t.Error("TryAcquireTx says that it has the lock")
		}
		if _, err := tx.Exec(t.Context(), "select 1"); err == nil {
			t.Error("the transaction has failed no more, and what it did before the failure is missing")
		}
		tx.rollback()
		h, err := p.NewLock(t.Name()).TryAcquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
