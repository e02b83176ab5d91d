// Fencing shows what a token is for: a holder that was paused for too long still
// believes in its lock, and the resource refuses its late write. The backend is
// that of DISTLOCK_URL, or the memory of this process.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/distlock/distlock-go/distlock"
)

// A store is the resource that the lock guards. In SQL the same rule reads:
//
//	UPDATE account SET balance = $1, token = $2 WHERE id = $3 AND token <= $2
type store struct {
	mu      sync.Mutex
	highest uint64
	value   string
}

var errStale = errors.New("the token is stale: the lock has had another holder since")

func (s *store) write(token uint64, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token < s.highest {
		return errStale
	}
	s.highest, s.value = token, value
	return nil
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
	lock := p.NewLock("example fencing")
	var s store

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
	if err := s.write(next.Token(), "by the next holder"); err != nil {
		return err
	}
	// Now it wakes up and writes, without having looked at its handle.
	fmt.Println("the late write is refused:", errors.Is(s.write(paused.Token(), "by the past"), errStale))
	fmt.Println("the store keeps what was written", s.value)
	<-paused.Done()
	fmt.Println("its handle tells of the loss:", errors.Is(paused.Err(), distlock.ErrLost))
	return next.Release(ctx)
}
