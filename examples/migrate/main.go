// Migrate brings the schema of a PostgreSQL database up to date when several
// replicas of a program start at once: one migrates, the others wait for it and
// find nothing to do.
//
// The lock belongs to the transaction that migrates, so there is no moment at which
// one is held and the other gone, and it works behind a connection pooler. It needs
// DISTLOCK_URL, or its first argument, to be the postgres: URL of a database, in
// which it makes and drops a schema of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/postgres"
)

// migrations are applied in this order, each once. They only ever grow.
var migrations = []string{
	`create table example_migrate.account (id int primary key, balance int not null)`,
	`alter table example_migrate.account add column token bigint not null default 0`,
}

func main() {
	url := os.Getenv("DISTLOCK_URL")
	if len(os.Args) > 1 {
		url = os.Args[1]
	}
	if !strings.HasPrefix(url, "postgres") {
		fmt.Fprintln(os.Stderr, "set DISTLOCK_URL to the postgres: URL of a database, such as postgres://localhost/app")
		os.Exit(2)
	}
	if err := run(context.Background(), url); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url string) (err error) {
	const replicas = 4
	applied := make(chan int, replicas)
	errs := make(chan error, replicas)
	for range replicas {
		go func() {
			n, err := migrate(ctx, url)
			applied <- n
			errs <- err
		}()
	}
	total, busy := 0, 0
	for range replicas {
		n := <-applied
		total += n
		if n > 0 {
			busy++
		}
		err = errors.Join(err, <-errs)
	}
	fmt.Printf("%d replicas: %d of them applied %d migrations\n", replicas, busy, total)
	return errors.Join(err, cleanUp(ctx, url))
}

// migrate applies what is missing, and returns how much that was.
func migrate(ctx context.Context, url string) (n int, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// Held until the transaction ends, in whichever way.
		if err := postgres.AcquireTx(ctx, tx, "example migrate"); err != nil {
			return err
		}
		const create = `create schema if not exists example_migrate;
			create table if not exists example_migrate.version (version int not null)`
		if _, err := tx.Exec(ctx, create); err != nil {
			return err
		}
		var version int
		if err := tx.QueryRow(ctx, "select coalesce(max(version), 0) from example_migrate.version").Scan(&version); err != nil {
			return err
		}
		for i, statement := range migrations[version:] {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("migration %d: %w", version+i+1, err)
			}
			if _, err := tx.Exec(ctx, "insert into example_migrate.version values ($1)", version+i+1); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// cleanUp makes the example ready to be run again.
func cleanUp(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "drop schema if exists example_migrate cascade")
	return err
}
