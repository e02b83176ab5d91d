package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A Config says how to torture. Rates are about what is said, so that many of a
// kind come together now and then.
type Config struct {
	Worker    string // the program of a process, which calls WorkIfTold
	Dir       string // for what the processes share; "": in memory, and removed if nothing is found
	Processes int
	Seats     int // goroutines of each
	Objects   []Object

	For       time.Duration // how long the torment lasts, in all
	Round     time.Duration // the most of it without a calm, new servers and a verdict; 0: all
	Calm      time.Duration // how long everybody must get in after it; 0: that is not asked
	Patience  time.Duration // for how long somebody waits in the calm who then complains; 0: half a minute
	KillEvery time.Duration // a process is killed, half of the time one that is inside; 0: none
	StopEvery time.Duration // a process is stopped for longer than the lease, likewise; 0: none
	HarmEvery time.Duration // a server or its network is harmed, or as soon as the last harm is over; 0: never

	// Until ends the torment early, as soon as there was that much of it in all; if it
	// is set, a torture that ends with less has failed.
	Until Figures

	// Found ends the torment early if it says so of what was found so far; nil: never.
	Found func(Report) bool
}

// complete fills in what is usual: 63 seats on twenty objects, so that who is
// killed mostly holds something and seldom leaves more than one place in a line
// behind. A semaphore of one permit is a lock, so its tokens are judged like those
// of a lock.
func (cfg Config) complete() Config {
	if cfg.Processes == 0 {
		cfg.Processes, cfg.Seats = 21, 3
	}
	if cfg.Objects == nil {
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			cfg.Objects = append(cfg.Objects,
				Object{core.KindLock, name, 1}, Object{core.KindRWLock, name, 1},
				Object{core.KindSemaphore, name, 3}, Object{core.KindSemaphore, name + "-alone", 1})
		}
	}
	if cfg.Patience == 0 {
		cfg.Patience = 30 * time.Second
	}
	if cfg.Round == 0 || cfg.Round > cfg.For {
		cfg.Round = cfg.For
	}
	return cfg
}

// Torture starts the servers of a backend, tortures, and reports. An error is one
// of the torture itself; what it has found is the report's.
func Torture(ctx context.Context, backend string, cfg Config) (all Report, err error) {
	cfg = cfg.complete()
	if cfg.Dir == "" {
		if cfg.Dir, err = memory(); err != nil {
			return all, err
		}
		defer func() {
			if err == nil && (all.Err() == nil || cfg.Found != nil) {
				err = os.RemoveAll(cfg.Dir)
			}
		}()
	}
	all = Report{Place: backend, Dir: cfg.Dir}
	enough := func() bool { return cfg.Until != (Figures{}) && len(all.Lacks(cfg.Until)) == 0 }
	for left, n := cfg.For, 0; left > 0 && all.Err() == nil && (n == 0 || !enough()); n++ {
		one := cfg
		one.For = min(left, cfg.Round)
		left -= one.For
		one.Dir = filepath.Join(cfg.Dir, fmt.Sprint("round-", n))
		rep, err := round(ctx, backend, one, all)
		all = all.plus(rep)
		if err != nil {
			return all, fmt.Errorf("round %d: %w", n, err)
		}
		if rep.Err() == nil {
			err = os.RemoveAll(one.Dir) // It is of interest otherwise.
		}
		if err != nil {
			return all, err
		}
	}
	if lacks := all.Lacks(cfg.Until); len(lacks) > 0 && all.Err() == nil {
		return all, fmt.Errorf("%v of torment were not enough for %s", cfg.For, strings.Join(lacks, ", "))
	}
	return all, nil
}

// memory makes a directory in memory, if there is a place for that: on a disk,
// what the processes tell the judge would wait for the disk.
func memory() (string, error) {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		if dir, err := os.MkdirTemp(shm, "torture"); err == nil {
			return dir, nil
		}
	}
	return os.MkdirTemp("", "torture")
}

// round is one of several; before is what came of those before it.
func round(ctx context.Context, backend string, cfg Config, before Report) (rep Report, err error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return rep, err
	}
	p, err := open(ctx, backend)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if len(p.harms) == 0 {
		cfg.HarmEvery = 0
	}
	return run(ctx, p, cfg, before)
}
