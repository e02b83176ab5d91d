//go:build linux

// Command torture has processes fight for locks of a backend while they and their
// servers are killed, and says whether anybody was misled. Exit code 1: yes; 3: the
// servers are not to be had, or are in containers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/internal/torture"
)

func main() {
	torture.WorkIfTold()
	backend := flag.String("backend", "file", fmt.Sprintf("one of %v", torture.Places()))
	lasts := flag.Duration("for", 10*time.Second, "how long the torment lasts, without the calms between")
	round := flag.Duration("round", time.Minute, "the most of it without a calm, a verdict and new servers")
	kill := flag.Duration("kill", 70*time.Millisecond, "kill a process about that often; 0: never")
	stop := flag.Duration("stop", 500*time.Millisecond, "stop a process past the lease about that often; 0: never")
	harm := flag.Duration("harm", 300*time.Millisecond, "harm a server about that often; 0: never")
	var until torture.Figures
	flag.IntVar(&until.Kills, "kills", 0, "stop after so many kills, half of them inside; -for is then the most")
	flag.IntVar(&until.Stops, "stops", 0, "and so many stops past the lease, where there is one")
	flag.IntVar(&until.Sessions, "sessions", 0, "and so many sessions killed, where there are any")
	flag.Parse()
	cfg := torture.Config{
		For: *lasts, Round: *round, Calm: 3 * time.Second,
		KillEvery: *kill, StopEvery: *stop, HarmEvery: *harm, Until: until,
	}
	switch err := run(*backend, cfg); {
	case err == nil:
	case testenv.Unavailable(err):
		fmt.Fprintf(os.Stderr, "torture: skipped %s: %v\n", *backend, err)
		os.Exit(3)
	default:
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

func run(backend string, cfg torture.Config) error {
	var err error
	if cfg.Worker, err = os.Executable(); err != nil {
		return err
	}
	rep, err := torture.Torture(context.Background(), backend, cfg)
	fmt.Println(rep)
	if err = errors.Join(err, rep.Err()); err != nil {
		return fmt.Errorf("%w\nwhat the processes have seen is in %s", err, rep.Dir)
	}
	return nil
}
