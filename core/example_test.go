package core_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/memory"
)

// provider is any backend; this one needs no server.
func provider() *memory.Provider {
	p, err := memory.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	return p
}

func Example() {
	ctx := context.Background()
	p := provider()
	defer p.Close()

	h, err := p.NewLock("invoice:42").Acquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Release(ctx)

	fmt.Printf("I hold %q with the fencing token %d.\n", h.Name(), h.Token())
	// Output:
	// I hold "invoice:42" with the fencing token 1.
}

func ExampleDo() {
	ctx := context.Background()
	p := provider()
	defer p.Close()

	err := core.Do(ctx, p.NewLock("nightly-report"), func(ctx context.Context) error {
		fmt.Println("Only one of us runs this.")
		return nil
	})
	fmt.Println(err)
	// Output:
	// Only one of us runs this.
	// <nil>
}

// A Try method tells by ErrNotAcquired that somebody else holds the lock.
func ExampleLock_tryAcquire() {
	ctx := context.Background()
	p := provider()
	defer p.Close()
	lock := p.NewLock("nightly-report")

	first, err := lock.TryAcquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer first.Release(ctx)

	second, err := lock.TryAcquire(ctx)
	switch {
	case errors.Is(err, core.ErrNotAcquired):
		fmt.Println("Somebody else is at it.")
	case err != nil:
		fmt.Println(err)
		return
	default:
		defer second.Release(ctx)
	}
	// Output:
	// Somebody else is at it.
}

// The context of an acquire bounds the wait.
func ExampleLock_acquire() {
	ctx := context.Background()
	p := provider()
	defer p.Close()
	lock := p.NewLock("migration")

	first, err := lock.Acquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer first.Release(ctx)

	patience, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err = lock.Acquire(patience)
	fmt.Println("held by another:", errors.Is(err, core.ErrNotAcquired))
	fmt.Println("ran out of patience:", errors.Is(err, context.DeadlineExceeded))
	// Output:
	// held by another: true
	// ran out of patience: true
}

// A hold can end without your help. Its context tells.
func ExampleWithHandle() {
	p := provider()
	defer p.Close()
	h, err := p.NewLock("leader").Acquire(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}

	ctx, cancel := core.WithHandle(context.Background(), h)
	defer cancel()

	// An operator takes the lock away.
	if _, err := p.Break(context.Background(), core.KindLock, "leader"); err != nil {
		fmt.Println(err)
		return
	}

	<-ctx.Done()
	fmt.Println(errors.Is(context.Cause(ctx), core.ErrLost))
	fmt.Println(h.Release(context.Background()))
	// Output:
	// true
	// distlock: release "leader": lost: the hold was broken
}

// A resource that remembers the highest token it has seen refuses whoever comes
// too late, however long he slept.
func ExampleHandle_token() {
	ctx := context.Background()
	p := provider()
	defer p.Close()

	var account struct {
		sync.Mutex
		balance int
		token   uint64
	}
	write := func(balance int, token uint64) error {
		account.Lock()
		defer account.Unlock()
		if token < account.token {
			return fmt.Errorf("stale token %d: %d was here", token, account.token)
		}
		account.balance, account.token = balance, token
		return nil
	}

	slow, _ := p.NewLock("account:7").Acquire(ctx)
	p.Break(ctx, core.KindLock, "account:7") // As if its lease had run out.
	quick, _ := p.NewLock("account:7").Acquire(ctx)

	fmt.Println("quick:", write(100, quick.Token()))
	fmt.Println("slow:", write(50, slow.Token()))
	fmt.Println("balance:", account.balance)
	// Output:
	// quick: <nil>
	// slow: stale token 1: 2 was here
	// balance: 100
}

// Any number of readers, or one writer.
func ExampleRWLock() {
	ctx := context.Background()
	p := provider()
	defer p.Close()
	config := p.NewRWLock("config")

	r1, _ := config.AcquireRead(ctx)
	r2, _ := config.AcquireRead(ctx)
	_, err := config.TryAcquireWrite(ctx)
	fmt.Println("write while two read:", errors.Is(err, core.ErrNotAcquired))

	r1.Release(ctx)
	r2.Release(ctx)
	w, err := config.TryAcquireWrite(ctx)
	fmt.Println("write once they have left:", err)
	defer w.Release(ctx)
	// Output:
	// write while two read: true
	// write once they have left: <nil>
}

// At most three workers at a time, however many there are.
func ExampleSemaphore() {
	ctx := context.Background()
	p := provider()
	defer p.Close()
	exports := p.NewSemaphore("exports", 3)

	var mu sync.Mutex
	running, most := 0, 0
	var workers sync.WaitGroup
	for range 10 {
		workers.Go(func() {
			err := core.Do(ctx, exports, func(context.Context) error {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
				mu.Lock()
				running--
				mu.Unlock()
				return nil
			})
			if err != nil {
				fmt.Println(err)
				return
			}
		})
	}
	workers.Wait()
	fmt.Println("at most at a time:", most)
	// Output:
	// at most at a time: 3
}

// A transfer needs both accounts. The order in which they are given does not
// matter, so two transfers in opposite directions cannot deadlock.
func ExampleAcquireAll() {
	ctx := context.Background()
	p := provider()
	defer p.Close()

	h, err := core.AcquireAll(ctx, p.NewLock("account:7"), p.NewLock("account:3"), core.Reader(p.NewRWLock("rates")))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Release(ctx)
	for _, member := range h.(core.Composite).Handles() {
		fmt.Println(member.Name())
	}
	// Output:
	// account:3
	// account:7
	// rates
}

// Of several processes one leads; when it loses the lock another one takes over,
// and it campaigns again.
func ExampleElect() {
	ctx := context.Background()
	p := provider()
	defer p.Close()

	term := 0
	err := core.Elect(ctx, p.NewLock("scheduler"), func(ctx context.Context) error {
		term++
		fmt.Printf("term %d, token %d\n", term, core.Leading(ctx).Token())
		if term == 2 {
			return nil
		}
		p.Break(context.Background(), core.KindLock, "scheduler")
		<-ctx.Done() // Not the leader any more: stop.
		return ctx.Err()
	})
	fmt.Println(err)
	// Output:
	// term 1, token 1
	// term 2, token 2
	// <nil>
}

// An observer is the one hook for metrics, traces and logs.
func ExampleObserver() {
	ctx := context.Background()
	p, err := memory.New(&memory.Options{
		Observer: core.ObserverFunc(func(_ context.Context, e core.Event) {
			fmt.Println(e.Type, e.Kind, e.Name, e.Token)
		}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()

	h, _ := p.NewLock("invoice:42").Acquire(ctx)
	h.Release(ctx)
	// Output:
	// acquired lock invoice:42 1
	// released lock invoice:42 1
}

// A provider that is an Inspector tells who holds what.
func ExampleInspector() {
	ctx := context.Background()
	p, err := memory.New(&memory.Options{Owner: core.Owner{Program: "billing", PID: 42, Host: "app-1"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	h, _ := p.NewLock("invoice:42").Acquire(ctx)
	defer h.Release(ctx)

	var backend core.Provider = p
	if inspector, ok := backend.(core.Inspector); ok {
		all, err := inspector.List(ctx, "invoice:")
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, s := range all {
			fmt.Println(s.Kind, s.Name, "is held by", s.Holders[0].Owner)
		}
	}
	// Output:
	// lock invoice:42 is held by billing (pid 42) on app-1
}
