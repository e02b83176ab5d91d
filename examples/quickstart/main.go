// Quickstart shows each primitive once. It needs no server: the locks are files
// in a temporary directory, unless DISTLOCK_URL names another backend.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/distlock/distlock-go/distlock"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	url := os.Getenv("DISTLOCK_URL")
	if url == "" {
		dir, err := os.MkdirTemp("", "quickstart")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		url = "file:" + filepath.ToSlash(dir)
	}
	p, err := distlock.Open(ctx, url)
	if err != nil {
		return err
	}
	defer p.Close()

	// A lock, held while a function runs.
	report := p.NewLock("quickstart report")
	err = distlock.Do(ctx, report, func(ctx context.Context) error {
		fmt.Println("lock: held")

		// Nobody else gets it meanwhile; a single attempt says so at once.
		_, err := report.TryAcquire(ctx)
		fmt.Println("lock: a second attempt finds it held elsewhere:", errors.Is(err, distlock.ErrNotAcquired))
		return nil
	})
	if err != nil {
		return err
	}

	// Many readers or one writer.
	rates := p.NewRWLock("quickstart rates")
	r1, err := rates.AcquireRead(ctx)
	if err != nil {
		return err
	}
	r2, err := rates.AcquireRead(ctx)
	if err != nil {
		return err
	}
	_, err = rates.TryAcquireWrite(ctx)
	fmt.Println("rwlock: two readers keep a writer out:", errors.Is(err, distlock.ErrNotAcquired))
	if err := errors.Join(r1.Release(ctx), r2.Release(ctx)); err != nil {
		return err
	}

	// Up to three at a time; and all of several locks, or none.
	exports := p.NewSemaphore("quickstart exports", 3)
	all, err := distlock.AcquireAll(ctx, exports, distlock.Writer(rates), report)
	if err != nil {
		return err
	}
	fmt.Println("all: held", all.Name())
	if err := all.Release(ctx); err != nil {
		return err
	}
	return loss(ctx, p)
}

// loss breaks a lock under its holder, as an operator would, and shows how the
// holder learns of it.
func loss(ctx context.Context, p distlock.Provider) error {
	lock := p.NewLock("quickstart loss")
	err := distlock.Do(ctx, lock, func(held context.Context) error {
		if _, err := p.(distlock.Breaker).Break(ctx, distlock.KindLock, lock.Name()); err != nil {
			return err
		}
		<-held.Done() // The work must stop now.
		fmt.Println("loss: the context ended because the lock was lost:", errors.Is(context.Cause(held), distlock.ErrLost))
		return nil
	})
	if errors.Is(err, errors.ErrUnsupported) {
		fmt.Println("loss: Windows does not let anybody remove the file of a lock that is held")
		return nil
	}
	if errors.Is(err, distlock.ErrLost) {
		fmt.Println("loss: and the error says so too")
		return nil
	}
	return err
}
