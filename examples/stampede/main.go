// Stampede shows how an RWLock keeps a cache from being filled by everybody at
// once: when an entry expires, one caller computes it anew, and the others wait for
// that one instead of all asking the slow source.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/distlock/distlock-go/distlock"
)

// A cache stands for one that processes share, such as Redis or a disk. Each access
// is safe by itself; what the lock adds is that one process fills it.
type cache struct {
	entries  sync.Map
	computed atomic.Int32
}

// get returns the value for a key. Readers share the lock, so that hits do not wait
// for each other.
func (c *cache) get(ctx context.Context, locks distlock.RWLockProvider, key string) (value any, err error) {
	lock, found := locks.NewRWLock("cache: "+key), false
	err = distlock.Do(ctx, distlock.Reader(lock), func(context.Context) error {
		value, found = c.entries.Load(key)
		return nil
	})
	if found || err != nil {
		return value, err
	}
	err = distlock.Do(ctx, distlock.Writer(lock), func(ctx context.Context) error {
		// Somebody may have been faster, while this one waited.
		if value, found = c.entries.Load(key); found {
			return nil
		}
		if value, err = c.compute(ctx, key); err != nil {
			return err
		}
		c.entries.Store(key, value)
		return nil
	})
	return value, err
}

// compute is slow and costs money.
func (c *cache) compute(ctx context.Context, key string) (any, error) {
	c.computed.Add(1)
	return "the value of " + key, ctx.Err() // ctx ends if the lock is lost
}

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

	var c cache
	const callers = 20
	errs := make(chan error, callers)
	var right atomic.Int32
	for range callers {
		go func() {
			value, err := c.get(ctx, p, "rates")
			if value == "the value of rates" {
				right.Add(1)
			}
			errs <- err
		}()
	}
	for range callers {
		if err := <-errs; err != nil {
			return err
		}
	}
	fmt.Printf("%d of %d callers have the value, which was computed %d time(s)\n", right.Load(), callers, c.computed.Load())
	return nil
}
