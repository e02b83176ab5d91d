package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/postgres"
)

// A transaction is one of either kind, begun with a certain lock_timeout and
// statement_timeout.
type transaction struct {
	postgres.Tx
	rollback func()
}

// transactions runs a test with a pgx.Tx and with a *sql.Tx.
func transactions(t *testing.T, test func(t *testing.T, begin func(lockTimeout, statementTimeout string) transaction)) {
	settle := func(t *testing.T, tx transaction, lock, statement string) transaction {
		t.Helper()
		if _, err := tx.Exec(t.Context(), "select set_config('lock_timeout', '"+lock+"', false), set_config('statement_timeout', '"+statement+"', false)"); err != nil {
			t.Fatal(err)
		}
		return tx
	}
	t.Run("pgx", func(t *testing.T) {
		serverURL(t)
		test(t, func(lock, statement string) transaction {
			tx, err := admin(t).Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return settle(t, transaction{tx, func() { _ = tx.Rollback(context.Background()) }}, lock, statement)
		})
	})
	t.Run("sql", func(t *testing.T) {
		db, err := sql.Open("pgx", serverURL(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		test(t, func(lock, statement string) transaction {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			return settle(t, transaction{postgres.SQLTx(tx), func() { _ = tx.Rollback() }}, lock, statement)
		})
	})
}

func setting(t *testing.T, tx postgres.Tx, name string) (value string) {
	t.Helper()
	if err := tx.QueryRow(t.Context(), "select current_setting('"+name+"')").Scan(&value); err != nil {
		t.Fatalf("the transaction cannot be used: %v", err)
	}
	return value
}

// F61, F62, F64, #277: the settings survive, in whatever unit they are shown.
func TestTxRestoresSettings(t *testing.T) {
	transactions(t, func(t *testing.T, begin func(string, string) transaction) {
		p := open(t, nil)
		for _, value := range []string{"0", "250ms", "30s", "1min", "1d"} {
			name := t.Name() + value
			h, err := p.NewLock(name).Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tx := begin(value, "1h")
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			err = postgres.AcquireTx(ctx, tx, name)
			cancel()
			if !errors.Is(err, core.ErrNotAcquired) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("AcquireTx of a lock that is held: %v", err)
			}
			same := func(when string) {
				t.Helper()
				if got := setting(t, tx, "lock_timeout"); got != value {
					t.Errorf("%s lock_timeout is %s; it was %s", when, got, value)
				}
				if got := setting(t, tx, "statement_timeout"); got != "1h" {
					t.Errorf("%s statement_timeout is %s; it was 1h", when, got)
				}
			}
			same("after a timeout")
			if ok, err := postgres.TryAcquireTx(t.Context(), tx, name); ok || err != nil {
				t.Errorf("TryAcquireTx of a lock that is held: %v, %v", ok, err)
			}
			same("after a busy attempt")
			if err := h.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := postgres.AcquireTx(t.Context(), tx, name); err != nil {
				t.Error(err)
			}
			same("after an acquire")
			if _, err := p.NewLock(name).TryAcquire(t.Context()); !errors.Is(err, core.ErrNotAcquired) {
				t.Errorf("TryAcquire of a lock that a transaction holds: %v", err)
			}
			tx.rollback()
			if h, err = p.NewLock(name).TryAcquire(t.Context()); err != nil {
				t.Errorf("TryAcquire after the rollback: %v", err)
			} else if err := h.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// F65: two locks in one transaction, in a savepoint of the caller's as well.
func TestTxTakesSeveral(t *testing.T) {
	transactions(t, func(t *testing.T, begin func(string, string) transaction) {
		p, tx := open(t, nil), begin("0", "0")
		defer tx.rollback()
		exec := func(sql string) {
			t.Helper()
			if _, err := tx.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		take := func(name string) {
			t.Helper()
			if err := postgres.AcquireTx(t.Context(), tx, t.Name()+name); err != nil {
				t.Fatal(err)
			}
		}
		take("a")
		exec("savepoint distlock")
		take("b")
		exec("rollback to savepoint distlock")
		if _, err := p.NewLock(t.Name() + "a").TryAcquire(t.Context()); !errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("the first lock is gone: %v", err)
		}
		if h, err := p.NewLock(t.Name() + "b").TryAcquire(t.Context()); err != nil {
			t.Errorf("the lock that was rolled back is still held: %v", err)
		} else if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTxReadersAndWriters(t *testing.T) {
	transactions(t, func(t *testing.T, begin func(string, string) transaction) {
		p, name := open(t, nil), t.Name()
		a, b := begin("0", "0"), begin("0", "0")
		defer b.rollback()
		if err := postgres.AcquireReadTx(t.Context(), a, name); err != nil {
			t.Fatal(err)
		}
		if ok, err := postgres.TryAcquireReadTx(t.Context(), b, name); !ok || err != nil {
			t.Errorf("a second reader: %v, %v", ok, err)
		}
		if ok, err := postgres.TryAcquireWriteTx(t.Context(), begin("0", "0"), name); ok || err != nil {
			t.Errorf("a writer beside readers: %v, %v", ok, err)
		}
		if h, err := p.NewRWLock(name).TryAcquireRead(t.Context()); err != nil {
			t.Errorf("a reader by a handle: %v", err)
		} else if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
		b.rollback()
		got := make(chan error, 1)
		w := begin("0", "0")
		defer w.rollback()
		go func() { got <- postgres.AcquireWriteTx(context.Background(), w, name) }()
		eventually(t, "a waiting writer keeps readers of a shared session out", func() bool {
			h, err := p.NewRWLock(name).TryAcquireRead(t.Context())
			if err == nil {
				_ = h.Release(t.Context())
			}
			return errors.Is(err, core.ErrNotAcquired)
		})
		a.rollback()
		if err := <-got; err != nil {
			t.Errorf("the writer: %v", err)
		}
	})
}

// A writer waits twice, at the turnstile and behind it, and its deadline bounds the
// two together: it is told in time, and keeps its transaction.
func TestTxWriterHasOneDeadline(t *testing.T) {
	transactions(t, func(t *testing.T, begin func(string, string) transaction) {
		t.Parallel()
		r, err := open(t, nil).NewRWLock(t.Name()).AcquireRead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		const deadline = 3 * time.Second // The driver ends the connection two seconds later.
		before, w := begin("0", "0"), begin("0", "0")
		first := make(chan error, 1)
		go func() { // It passes the turnstile, and leaves when hardly anything is left to w.
			ctx, cancel := context.WithTimeout(context.Background(), deadline*5/6)
			defer cancel()
			first <- postgres.AcquireWriteTx(ctx, before, t.Name())
		}()
		reader := open(t, nil).NewRWLock(t.Name())
		eventually(t, "the first writer has passed the turnstile", func() bool {
			h, err := reader.TryAcquireRead(t.Context())
			if err == nil {
				_ = h.Release(t.Context())
			}
			return errors.Is(err, core.ErrNotAcquired)
		})
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		if err := postgres.AcquireWriteTx(ctx, w, t.Name()); !errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("a writer whose time is over is told %v", err)
		}
		setting(t, w, "lock_timeout")
		w.rollback()
		if err := <-first; !errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("the writer before it is told %v", err)
		}
		before.rollback()
		if err := r.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A deadline that is further away than a lock_timeout can be is none to the server.
func TestTxTakesAnyDeadline(t *testing.T) {
	transactions(t, func(t *testing.T, begin func(string, string) transaction) {
		tx := begin("0", "0")
		defer tx.rollback()
		const day = 24 * time.Hour
		for _, within := range []time.Duration{20 * day, 25 * day, 100000 * day} {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			if err := postgres.AcquireTx(ctx, tx, t.Name()); err != nil {
				t.Fatalf("AcquireTx within %v: %v", within, err)
			}
			if err := postgres.AcquireWriteTx(ctx, tx, t.Name()); err != nil {
				t.Fatalf("AcquireWriteTx within %v: %v", within, err)
			}
			cancel()
		}
	})
}

// F69: two transactions that cross are told of the deadlock.
func TestTxDeadlock(t *testing.T) {
	transactions(t, func(t *testing.T, begin func(string, string) transaction) {
		a, b := begin("0", "0"), begin("0", "0")
		one, two := t.Name()+"1", t.Name()+"2"
		for tx, name := range map[postgres.Tx]string{a.Tx: one, b.Tx: two} {
			if err := postgres.AcquireTx(t.Context(), tx, name); err != nil {
				t.Fatal(err)
			}
		}
		got := make(chan error, 2)
		cross := func(tx transaction, name string) {
			ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
			defer cancel()
			err := postgres.AcquireTx(ctx, tx, name)
			tx.rollback()
			got <- err
		}
		go cross(a, two)
		go cross(b, one)
		victim, other := <-got, <-got
		if victim == nil { // The victim had left, and the other one was told first.
			victim, other = other, victim
		}
		if !errors.Is(victim, core.ErrDeadlock) {
			t.Errorf("the victim is told %v", victim)
		}
		if other != nil {
			t.Errorf("the other one, when the victim has gone: %v", other)
		}
	})
}

func TestTxOfAProviderUsesItsKeys(t *testing.T) {
	p := open(t, &postgres.Options{Keys: postgres.Raw})
	c := admin(t)
	tx, err := c.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if err := p.AcquireTx(t.Context(), tx, "7001,7002"); err != nil {
		t.Fatal(err)
	}
	if query[bool](t, admin(t), "select pg_try_advisory_lock(7001, 7002)") {
		t.Error("the key is free")
	}
	if err := p.AcquireTx(t.Context(), tx, "no number"); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("a name that is no key: %v", err)
	}
	if err := postgres.AcquireTx(t.Context(), tx, ""); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("no name: %v", err)
	}
}

var _ postgres.Tx = pgx.Tx(nil)
