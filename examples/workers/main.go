// Workers runs twelve jobs of which no more than three may run at a time, over
// all the processes that use the same semaphore.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/distlock"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	p, err := distlock.Open(ctx, cmp.Or(os.Getenv("DISTLOCK_URL"), "mem:"))
	if err != nil {
		return err
	}
	defer p.Close()

	const jobs, limit = 12, 3
	var running, most gauge
	done := make(chan error, jobs)
	for range jobs {
		go func() {
			// A Semaphore has the methods of a Lock, so Do takes it too.
			done <- distlock.Do(ctx, p.NewSemaphore("workers: jobs", limit), func(context.Context) error {
				most.atLeast(running.Add(1))
				time.Sleep(5 * time.Millisecond) // the work
				running.Add(-1)
				return nil
			})
		}()
	}
	for range jobs {
		if err := <-done; err != nil {
			return err
		}
	}
	fmt.Printf("%d jobs done, at most %d at a time: %t\n", jobs, limit, most.Load() <= limit)
	return nil
}

type gauge struct{ atomic.Int64 }

// atLeast raises g to n.
func (g *gauge) atLeast(n int64) {
	for old := g.Load(); old < n && !g.CompareAndSwap(old, n); old = g.Load() {
	}
}
