// Leader shows an election: one candidate leads, it steps down, and the next one
// takes over with a greater token. The backend is that of DISTLOCK_URL, or the
// memory of this process.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"

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

	var mu sync.Mutex
	var tokens []uint64
	candidate := func() error {
		// In a service this function would run for as long as it leads.
		return distlock.Elect(ctx, p.NewLock("example leader"), func(ctx context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			tokens = append(tokens, distlock.Leading(ctx).Token())
			fmt.Println("leader number", len(tokens))
			return nil
		})
	}
	errs := make(chan error)
	for range 3 {
		go func() { errs <- candidate() }()
	}
	for range 3 {
		if err := <-errs; err != nil {
			return err
		}
	}
	fmt.Println("tokens grow from leader to leader:", tokens[0] < tokens[1] && tokens[1] < tokens[2])
	return nil
}
