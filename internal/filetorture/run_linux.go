package filetorture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/judge"
)

// A Config says how to torture.
type Config struct {
	Worker    string // the program of a process
	Dir       string // an empty directory
	Kind      core.Kind
	Limit     int // of the semaphore; 1 otherwise
	Processes int
	Seats     int           // goroutines of each
	For       time.Duration // how long
	KillEvery time.Duration // a process, about; 0: none
	Meddle    time.Duration // with the files, about every; 0: never
}

// A Report is what came of it.
type Report struct {
	Holds, Losses     uint64
	Kills, Meddlings  int
	Violations        int // two inside, and both handles said that they hold
	Explained, Open   int // meetings with a hold that said it was lost; that stay open
	Regressions       uint64
	Failures          uint64
	FirstFailure      string
	HoldsInLastSecond uint64
}

func (r Report) String() string {
	return fmt.Sprintf("holds %d, kills %d, files removed or replaced %d, holds lost %d; overlaps: unexplained %d, explained by a loss %d, open %d; token regressions %d; failures %d %s",
		r.Holds, r.Kills, r.Meddlings, r.Losses, r.Violations, r.Explained, r.Open, r.Regressions, r.Failures, r.FirstFailure)
}

// A run is a torture under way.
type run struct {
	Config
	arena *judge.Arena
	path  string // of the arena
	procs []*exec.Cmd
}

// Run tortures, and reports.
func Run(ctx context.Context, cfg Config) (Report, error) {
	r := &run{Config: cfg, path: filepath.Join(cfg.Dir, "arena"), procs: make([]*exec.Cmd, cfg.Processes)}
	if cfg.Limit == 0 {
		r.Limit = 1
	}
	var err error
	if r.arena, err = judge.OpenArena(r.path); err != nil {
		return Report{}, err
	}
	for i := range r.procs {
		if err := r.start(i); err != nil {
			return Report{}, errors.Join(err, r.stop())
		}
	}
	var rep Report
	var all sync.WaitGroup
	ctx, cancel := context.WithTimeout(ctx, cfg.For)
	defer cancel()
	all.Go(func() { rep.Meddlings = r.every(ctx, cfg.Meddle, r.meddle) })
	var kerr error
	all.Go(func() {
		rep.Kills = r.every(ctx, cfg.KillEvery, func() bool { kerr = errors.Join(kerr, r.kill()); return true })
	})
	all.Go(func() {
		var before uint64
		for sleep(ctx, time.Second) {
			now := r.arena.Holds.Load()
			rep.HoldsInLastSecond, before = now-before, now
		}
	})
	all.Wait()
	err = errors.Join(kerr, r.stop())
	rep.Holds, rep.Losses = r.arena.Holds.Load(), r.arena.Losses.Load()
	rep.Violations, rep.Explained, rep.Open = r.arena.Verdict()
	rep.Regressions, rep.Failures = r.arena.Behind.Load(), r.arena.Failed.Count()
	rep.FirstFailure = r.arena.Failed.First()
	return rep, err
}

// every calls f about that often, and counts how often it did something.
func (r *run) every(ctx context.Context, pause time.Duration, f func() bool) (n int) {
	for pause > 0 && sleep(ctx, pause/2+rand.N(pause)) {
		if f() {
			n++
		}
	}
	return n
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (r *run) start(i int) error {
	job, err := json.Marshal(Job{
		Dir: filepath.Join(r.Dir, "locks"), Arena: r.path,
		Kind: r.Kind, Limit: r.Limit, First: i * r.Seats, Seats: r.Seats,
	})
	if err != nil {
		return err
	}
	cmd := exec.Command(r.Worker, string(job))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	r.procs[i] = cmd
	return nil
}

// seats returns the seats of a process.
func (r *run) seats(i int) uint64 { return (1<<r.Seats - 1) << (i * r.Seats) }

// kill kills a process, every other time one that is inside, and starts another
// in its place.
func (r *run) kill() error {
	i := rand.IntN(len(r.procs))
	if rand.IntN(2) == 0 {
		for j := range r.procs {
			if r.arena.Inside.Load()&r.seats(j) != 0 {
				i = j
			}
		}
	}
	seats := r.seats(i)
	defer r.arena.Dooming()()
	if err := r.procs[i].Process.Kill(); err != nil {
		return fmt.Errorf("a process has died by itself: %w", err)
	}
	_ = r.procs[i].Wait()
	r.arena.Kill(seats)
	return r.start(i)
}

// meddle does to a file what only a bystander would do.
func (r *run) meddle() bool {
	dir := filepath.Join(r.Dir, "locks")
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		return false
	}
	victim := files[rand.IntN(len(files))]
	if strings.Contains(victim, ".gate") && rand.IntN(4) != 0 {
		return false
	}
	switch rand.IntN(8) {
	case 0: // Replace it.
		other := filepath.Join(r.Dir, "other")
		err = os.WriteFile(other, []byte("what is this?"), 0o600)
		if err == nil {
			err = os.Rename(other, victim)
		}
	case 1: // Move it away.
		err = os.Rename(victim, filepath.Join(r.Dir, "away"))
	case 2: // Truncate it.
		err = os.Truncate(victim, rand.Int64N(4096))
	case 3: // Overwrite its tokens with garbage.
		err = scribble(victim)
	case 4: // Remove all.
		err = os.RemoveAll(dir)
	default:
		err = os.Remove(victim)
	}
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

func scribble(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, rand.IntN(200))
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	_, err = f.WriteAt(b, rand.Int64N(200))
	return err
}

// stop has the processes end by themselves, and sees to it that they do.
func (r *run) stop() error {
	r.arena.Stop.Store(1)
	var errs []error
	for i, cmd := range r.procs {
		if cmd == nil {
			continue
		}
		timer := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
		if err := cmd.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("process %d: %w", i, err))
		}
		timer.Stop()
	}
	return errors.Join(errs...)
}
