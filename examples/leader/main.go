// Leader shows an election with a failover: two replicas want to lead, the
// leader is deposed, and the other one takes over.
//
// The replicas are goroutines here, so that one program shows it all; with any
// backend but mem: they can as well be processes on several machines.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/distlock/distlock-go/distlock"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	p, err := distlock.Open(ctx, cmp.Or(os.Getenv("DISTLOCK_URL"), "mem:"))
	if err != nil {
		return err
	}
	defer p.Close()

	a, b := newReplica("a"), newReplica("b")
	go a.run(ctx, p)
	first := <-a.leads
	fmt.Println("a leads")

	go b.run(ctx, p)
	// A pause of the process, a failover of the server or an operator ends it.
	if _, err := p.(distlock.Breaker).Break(ctx, distlock.KindLock, "leader"); err != nil {
		return err
	}
	fmt.Println("a was told to stop:", errors.Is(<-a.deposed, distlock.ErrLost))

	second := <-b.leads
	fmt.Println("b leads, with a greater token:", second > first)

	stop()
	fmt.Println("a has ended:", errors.Is(<-a.ended, context.Canceled))
	fmt.Println("b has ended:", errors.Is(<-b.ended, context.Canceled))
	return nil
}

// A replica reports what becomes of it.
type replica struct {
	name    string
	leads   chan uint64 // its fencing token
	deposed chan error
	ended   chan error
}

func newReplica(name string) *replica {
	return &replica{name: name, leads: make(chan uint64, 8), deposed: make(chan error, 8), ended: make(chan error, 1)}
}

func (r *replica) run(ctx context.Context, p distlock.LockProvider) {
	r.ended <- distlock.Elect(ctx, p.NewLock("leader"), func(ctx context.Context) error {
		r.leads <- distlock.Leading(ctx).Token() // to be shown to what the leader writes to
		<-ctx.Done()                             // the work of a leader, which ends with the leadership
		r.deposed <- context.Cause(ctx)
		return ctx.Err()
	})
}
