package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/postgres"
)

func Example() {
	ctx := context.Background()
	p, err := postgres.Open(ctx, os.Getenv("DATABASE_URL"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	err = core.Do(ctx, p.NewLock("nightly-report"), func(ctx context.Context) error {
		fmt.Println("only one of us runs this")
		return nil // ctx ends if the lock is lost
	})
	if err != nil {
		log.Fatal(err)
	}
}

// A pool gives its configuration, and keeps its connections for its users. The
// token of the hold guards the write: one that comes late changes nothing.
func ExampleNewFromPool() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	p, err := postgres.NewFromPool(pool, &postgres.Options{RequireToken: true})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	h, err := p.NewLock("account:42").Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Release(ctx)
	tag, err := pool.Exec(ctx, "update account set balance = $1, token = $2 where id = 42 and token <= $2", 100, int64(h.Token()))
	if err == nil && tag.RowsAffected() == 0 {
		err = errors.New("somebody holds the lock by now")
	}
	if err != nil {
		log.Print(err)
	}
}

// A lock for the rest of a transaction needs no session of its own, so it works
// behind a pooler of transactions, too.
func ExampleAcquireTx() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	tx, err := pool.Begin(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback(ctx)
	if err := postgres.AcquireTx(ctx, tx, "invoice:42"); err != nil {
		log.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "update invoice set paid = true where id = 42"); err != nil {
		log.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil { // Whichever way it ends, the lock ends with it.
		log.Fatal(err)
	}
}

// Any other program takes the same lock by its key.
func ExampleLockKey() {
	fmt.Printf("select pg_advisory_lock(%v)\n", postgres.LockKey("", "nightly-report"))
	// Output: select pg_advisory_lock(309248398396618839)
}
