// Postgres shows what only a database can do with a lock: a pool lends its
// configuration and none of its connections, the token of a hold guards a row in
// the same database, and a transaction can have a lock of its own, which works
// behind a pooler as well. The server is that of the URL.
//
//	go run ./examples/postgres postgres://localhost/app
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distlock/distlock-go/distlock"
	"github.com/distlock/distlock-go/postgres"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: postgres postgres://user:password@host/database")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	p, err := postgres.NewFromPool(pool, &postgres.Options{RequireToken: true})
	if err != nil {
		return err
	}
	defer p.Close()
	const table = "create temporary table account (balance int, token bigint) on commit drop; insert into account values (0, 0)"
	return distlock.Do(ctx, p.NewLock("example postgres"), func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, table); err != nil {
				return err
			}
			if err := fenced(ctx, p, tx); err != nil {
				return err
			}
			return locked(ctx, pool, tx)
		})
	})
}

// fenced writes under two holds, and then once more with the token of the first.
func fenced(ctx context.Context, p *postgres.Provider, tx pgx.Tx) error {
	var tokens []int64
	for range 2 {
		h, err := p.NewLock("example postgres: account").Acquire(ctx)
		if err != nil {
			return err
		}
		tokens = append(tokens, int64(h.Token()))
		if err := h.Release(ctx); err != nil {
			return err
		}
	}
	for i, token := range []int64{tokens[0], tokens[1], tokens[0]} {
		tag, err := tx.Exec(ctx, "update account set balance = $1, token = $2 where token <= $2", 100+i, token)
		if err != nil {
			return err
		}
		fmt.Printf("write %d: %d row\n", i+1, tag.RowsAffected())
	}
	return nil
}

// locked takes a lock for the rest of a transaction. Another one finds it held.
func locked(ctx context.Context, pool *pgxpool.Pool, tx pgx.Tx) error {
	if err := postgres.AcquireTx(ctx, tx, "example postgres: invoice"); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(other pgx.Tx) error {
		free, err := postgres.TryAcquireTx(ctx, other, "example postgres: invoice")
		fmt.Println("free for another transaction:", free)
		return err
	})
}
