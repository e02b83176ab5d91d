//go:build linux

// Command torture has processes fight for locks of a backend while they and their
// servers are killed, and says whether anybody was misled. Exit code 1: yes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/distlock/distlock-go/internal/torture"
)

func main() {
	torture.WorkIfTold()
	backend := flag.String("backend", "file", fmt.Sprintf("one of %v", torture.Places()))
	lasts := flag.Duration("for", 10*time.Second, "how long")
	kill := flag.Duration("kill", 50*time.Millisecond, "kill a process about that often; 0: never")
	stop := flag.Duration("stop", 500*time.Millisecond, "stop a process past the lease about that often; 0: never")
	harm := flag.Duration("harm", 300*time.Millisecond, "harm a server about that often; 0: never")
	flag.Parse()
	cfg := torture.Config{For: *lasts, Calm: 5 * time.Second, KillEvery: *kill, StopEvery: *stop, HarmEvery: *harm}
	if err := run(*backend, cfg); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

func run(backend string, cfg torture.Config) error {
	var err error
	if cfg.Worker, err = os.Executable(); err != nil {
		return err
	}
	if cfg.Dir, err = os.MkdirTemp("", "torture"); err != nil {
		return err
	}
	defer os.RemoveAll(cfg.Dir)
	rep, err := torture.Torture(context.Background(), backend, cfg)
	fmt.Println(rep)
	if err != nil {
		return err
	}
	return rep.Err()
}
