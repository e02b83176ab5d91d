// Fencing shows what a token is for: a holder that was paused for too long still
// believes in its lock, and the resource refuses its late write. The resources are
// an HTTP store and, if DISTLOCK_URL or FENCING_DATABASE is a postgres: URL, a
// table of that database; the lock may be on any backend.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/distlock/distlock-go/distlock"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	url := cmp.Or(os.Getenv("DISTLOCK_URL"), "mem:")
	p, err := distlock.Open(ctx, url)
	if err != nil {
		return err
	}
	defer p.Close()

	http := newHTTPStore()
	defer http.server.Close()
	if err := tooLate(ctx, p, "HTTP store", http); err != nil {
		return err
	}
	database := cmp.Or(os.Getenv("FENCING_DATABASE"), url)
	if !strings.HasPrefix(database, "postgres") {
		return nil
	}
	table, err := newSQLStore(ctx, database)
	if err != nil {
		return err
	}
	defer table.conn.Close(ctx)
	return tooLate(ctx, p, "SQL table", table)
}

// tooLate has a holder write after the next one.
func tooLate(ctx context.Context, p distlock.Provider, what string, s store) error {
	lock := p.NewLock("example fencing: " + what)
	paused, err := lock.Acquire(ctx)
	if err != nil {
		return err
	}
	// It sleeps here, for longer than anybody waits for it: its hold is ended.
	if _, err := p.(distlock.Breaker).Break(ctx, distlock.KindLock, lock.Name()); err != nil {
		return err
	}
	next, err := lock.Acquire(ctx)
	if err != nil {
		return err
	}
	if err := s.write(ctx, next.Token(), "by the next holder"); err != nil {
		return err
	}
	// Now it wakes up and writes, without having looked at its handle.
	late := s.write(ctx, paused.Token(), "by the past")
	value, err := s.read(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%s: the late write is refused: %t; it keeps what was written %s\n", what, errors.Is(late, errStale), value)
	<-paused.Done()
	fmt.Println("and the handle tells of the loss:", errors.Is(paused.Err(), distlock.ErrLost))
	return next.Release(ctx)
}
