// Scale measures what a server bears; see package scale.
//
//	go run ./internal/scale/cmd/scale -backend redis
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/distlock/distlock-go/internal/scale"
)

func main() {
	scale.Worker()
	backend := flag.String("backend", "redis", "file, postgres, redis or redlock")
	processes := flag.Int("processes", 100, "how many processes want names")
	goroutines := flag.Int("goroutines", 1, "and how many goroutines of each")
	names := flag.Int("names", 10_000, "how many names there are, and then a hundredth of them")
	lasts := flag.Duration("for", 10*time.Second, "how long they do")
	most := flag.Int("most", 10_000, "the most holds and waiters of one process; a hundredth and a tenth come before")
	idle := flag.Duration("idle", 6*time.Second, "how long to watch the server when nothing happens")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	c := scale.Config{Idle: *idle}
	for _, n := range []int{*names, *names / 100} {
		c.Crowds = append(c.Crowds, scale.Crowd{Processes: *processes, Goroutines: *goroutines, Names: max(n, 1), For: *lasts})
	}
	for _, n := range []int{*most / 100, *most / 10, *most} {
		c.Counts = append(c.Counts, max(n, 1))
	}
	err := scale.Run(ctx, *backend, c, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}
