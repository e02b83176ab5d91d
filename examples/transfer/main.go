// Transfer moves money between accounts in both directions at once. AcquireAll
// takes the two locks of a transfer in one global order, so that opposite
// transfers do not wait for each other for ever.
package main

import (
	"cmp"
	"context"
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
	p, err := distlock.Open(ctx, cmp.Or(os.Getenv("DISTLOCK_URL"), "mem:"))
	if err != nil {
		return err
	}
	defer p.Close()

	bank := &bank{locks: p, balance: []int{100, 100}}
	done := make(chan error, 40)
	for range 20 {
		go func() { done <- bank.transfer(ctx, 0, 1, 10) }()
		go func() { done <- bank.transfer(ctx, 1, 0, 10) }()
	}
	for range 40 {
		if err := <-done; err != nil {
			return err
		}
	}
	fmt.Println("balances:", bank.balance[0], bank.balance[1])

	// The same account twice would wait for itself.
	fmt.Println("the same account twice:", bank.transfer(ctx, 1, 1, 10))
	return nil
}

type bank struct {
	locks   distlock.LockProvider
	balance []int
}

func (b *bank) transfer(ctx context.Context, from, to, amount int) error {
	h, err := distlock.AcquireAll(ctx, b.account(from), b.account(to))
	if err != nil {
		return err
	}
	return distlock.Hold(ctx, h, func(context.Context) error {
		b.balance[from] -= amount
		b.balance[to] += amount
		return nil
	})
}

func (b *bank) account(n int) distlock.Lock {
	return b.locks.NewLock(fmt.Sprint("transfer: account ", n))
}
