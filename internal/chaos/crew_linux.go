package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/judge"
)

// A Crew is the processes, which run the test's own binary again.
type Crew struct {
	Arenas map[core.Kind]*judge.Arena
	Kills  int

	t     *testing.T
	seats int                  // of each worker, for each primitive
	env   func(i int) []string // what tells worker i what it is, and its job
	all   []*exec.Cmd
}

// NewCrew starts n workers, whose Fights have so many seats and the arenas of dir.
func NewCrew(t *testing.T, dir string, n, seats int, env func(i int) []string) *Crew {
	t.Helper()
	c := &Crew{t: t, seats: seats, env: env, all: make([]*exec.Cmd, n), Arenas: make(map[core.Kind]*judge.Arena)}
	for _, kind := range Kinds {
		arena, err := judge.OpenArena(filepath.Join(dir, string(kind)))
		if err != nil {
			t.Fatal(err)
		}
		c.Arenas[kind] = arena
	}
	for i := range c.all {
		if c.start(i); c.all[i] == nil {
			t.FailNow()
		}
	}
	return c
}

// Size returns how many workers there are.
func (c *Crew) Size() int { return len(c.all) }

func (c *Crew) start(i int) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), c.env(i)...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		c.t.Errorf("worker %d: %v", i, err)
		return
	}
	c.all[i] = cmd
}

// Signal sends a worker a signal.
func (c *Crew) Signal(i int, s os.Signal) {
	if err := c.all[i].Process.Signal(s); err != nil {
		c.t.Errorf("worker %d has died by itself: %v", i, err)
	}
}

// Kill kills a worker, tells the arenas, and starts another one in its place.
// mourn, which may be nil, is called between.
func (c *Crew) Kill(i int, mourn func(pid int)) {
	w := c.all[i]
	var done []func()
	for _, a := range c.Arenas {
		done = append(done, a.Dooming())
	}
	c.Signal(i, syscall.SIGKILL)
	_ = w.Wait()
	for _, a := range c.Arenas {
		a.Kill((1<<c.seats - 1) << (i * c.seats))
	}
	for _, d := range done {
		d()
	}
	c.Kills++
	if mourn != nil {
		mourn(w.Process.Pid)
	}
	c.start(i)
}

// End has the workers finish. One that does not within a minute says where it is.
func (c *Crew) End() {
	for _, a := range c.Arenas {
		a.Stop.Store(1)
	}
	var all sync.WaitGroup
	for i, w := range c.all {
		all.Go(func() {
			timer := time.AfterFunc(time.Minute, func() { _ = w.Process.Signal(syscall.SIGQUIT) })
			defer timer.Stop()
			if err := w.Wait(); err != nil {
				c.t.Errorf("worker %d: %v", i, err)
			}
		})
	}
	all.Wait()
}

// Verdict tells what the judge has found of a kind, and whether any of it may not be.
func (c *Crew) Verdict(kind core.Kind) (text string, overlaps int, bad bool) {
	a := c.Arenas[kind]
	overlaps, explained, open := a.Verdict()
	text = fmt.Sprintf("%s: %d holds, %d lost; overlaps: %d unexplained, %d explained by a loss, %d open; %d token regressions; %d failures %s",
		kind, a.Holds.Load(), a.Losses.Load(), overlaps, explained, open, a.Behind.Load(), a.Failed.Count(), a.Failed.First())
	return text, overlaps, overlaps > 0 || a.Behind.Load() > 0 || a.Failed.Count() > 0
}
