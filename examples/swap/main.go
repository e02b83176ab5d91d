// Swap is one program for every backend: only the URL differs. Without arguments
// it takes that of DISTLOCK_URL, or the memory of this process.
//
//	go run ./examples/swap mem: 'file:///tmp/locks' 'redis://localhost/' 'postgres://localhost/app'
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/distlock/distlock-go/distlock"
)

func main() {
	urls := os.Args[1:]
	if len(urls) == 0 {
		urls = []string{cmp.Or(os.Getenv("DISTLOCK_URL"), "mem:")}
	}
	for _, url := range urls {
		if err := count(context.Background(), url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// count lets ten goroutines increment a number that only the lock protects.
func count(ctx context.Context, url string) error {
	p, err := distlock.Open(ctx, url)
	if err != nil {
		return err
	}
	defer p.Close()
	n := 0
	errs := make(chan error, 10)
	var all sync.WaitGroup
	for range cap(errs) {
		all.Go(func() {
			errs <- distlock.Do(ctx, p.NewLock("swap"), func(context.Context) error {
				n++
				return nil
			})
		})
	}
	all.Wait()
	for range cap(errs) {
		if err := <-errs; err != nil {
			return err
		}
	}
	scheme, _, _ := strings.Cut(url, ":")
	fmt.Printf("%s: counted to %d\n", scheme, n)
	return nil
}
