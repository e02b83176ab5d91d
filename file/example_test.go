package file_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file"
)

func Example() {
	dir, err := os.MkdirTemp("", "locks")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	p, err := file.New(dir, nil)
	if err != nil {
		panic(err)
	}
	defer p.Close()

	ctx := context.Background()
	err = core.Do(ctx, p.NewLock("nightly-report"), func(ctx context.Context) error {
		_, err := p.NewLock("nightly-report").TryAcquire(ctx)
		fmt.Println("held elsewhere:", errors.Is(err, core.ErrNotAcquired))
		return nil
	})
	fmt.Println("done:", err)
	// Output:
	// held elsewhere: true
	// done: <nil>
}

// Files stay when a lock is released. GC removes those that nobody uses.
func ExampleProvider_GC() {
	dir, err := os.MkdirTemp("", "locks")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	p, err := file.New(dir, nil)
	if err != nil {
		panic(err)
	}
	defer p.Close()

	ctx := context.Background()
	for _, name := range []string{"monday", "tuesday"} {
		h, err := p.NewLock(name).Acquire(ctx)
		if err != nil {
			panic(err)
		}
		if name == "monday" {
			_ = h.Release(ctx)
			continue
		}
		defer h.Release(ctx)
	}
	n, err := p.GC(ctx, 0)
	fmt.Println("removed:", n, err)
	// Output:
	// removed: 1 <nil>
}
