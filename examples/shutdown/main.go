// Shutdown shows how a worker ends well: a signal stops it from waiting for more
// work, it finishes what it holds within a grace period, releases it, and closes
// the provider, so that the next process need not wait for a lease to run out.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/distlock/distlock-go/distlock"
)

// grace is how long work that has begun may take to end.
const grace = 20 * time.Second

func main() {
	// SIGTERM is what an orchestrator sends, Ctrl-C what a person does.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, stop)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run works until ctx ends. To have something to show, it calls terminate, as if
// the signal had come, while one worker works and another waits.
func run(ctx context.Context, terminate func()) error {
	url := cmp.Or(os.Getenv("DISTLOCK_URL"), "mem:")
	waiting := make(chan struct{}, 1)
	p, err := distlock.OpenWith(ctx, url, &distlock.Options{Observer: distlock.ObserverFunc(func(_ context.Context, e distlock.Event) {
		if e.Type == distlock.EventWaiting {
			select {
			case waiting <- struct{}{}:
			default:
			}
		}
	})})
	if err != nil {
		return err
	}
	lock := p.NewLock("example shutdown")
	begun := make(chan struct{})
	over := make(chan struct{})
	var first, second error
	var workers sync.WaitGroup
	workers.Go(func() {
		defer close(over)
		first = work(ctx, lock, func(held context.Context) error {
			close(begun)
			select {
			case <-waiting:
				terminate()
			case <-ctx.Done(): // A real signal, or Ctrl-C.
			}
			fmt.Println("the signal came; work goes on:", held.Err() == nil)
			return nil
		})
	})
	workers.Go(func() {
		select {
		case <-begun:
		case <-over: // The first has got no lock.
		}
		second = work(ctx, lock, func(context.Context) error { return errors.New("this must not begin any more") })
	})
	workers.Wait()
	terminate()
	fmt.Println("the first worker ended well:", first == nil)
	fmt.Println("the second stopped waiting:", errors.Is(second, context.Canceled))
	if err := p.Close(); err != nil { // releases what is left, and waits for that
		return err
	}
	fmt.Println("closed:", errors.Is(acquireError(lock), distlock.ErrClosed))
	return nil
}

// work waits for the lock until ctx ends. Once it holds the lock, the end of ctx
// leaves it a grace period; the loss of the lock does not.
func work(ctx context.Context, lock distlock.Lock, fn func(context.Context) error) error {
	h, err := lock.Acquire(ctx)
	if err != nil {
		return err
	}
	held, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		late := time.AfterFunc(grace, cancel)
		context.AfterFunc(held, func() { late.Stop() })
	})()
	return distlock.Hold(held, h, fn)
}

func acquireError(lock distlock.Lock) error {
	_, err := lock.TryAcquire(context.Background())
	return err
}
