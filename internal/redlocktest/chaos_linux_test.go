package redlocktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
	"github.com/distlock/distlock-go/internal/judge"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

const (
	// jobVar tells, in the environment, that this process is a worker.
	jobVar = "DISTLOCK_REDLOCK_JOB"

	// chaosVar is for how long the chaos lasts, such as 10m.
	chaosVar = "DISTLOCK_CHAOS"
)

const (
	workers = 6
	seats   = 2 // goroutines of each worker, for each primitive
	permits = 2

	// chaosLease is short, and all troubles last as long as it says: half the lease is
	// twice the troubles in the same time.
	chaosLease = time.Second
)

func chaosOptions(prefix string) *redis.Options {
	return &redis.Options{Prefix: prefix, Lease: chaosLease, Claim: chaosLease / 2}
}

var kinds = []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore}

// A job is what one worker does.
type job struct {
	Addrs  []string
	Prefix string
	Dir    string // of the arenas
	First  int    // the worker's first seat
	Unwise bool   // the negative control: enter without the lock, now and then
}

func TestMain(m *testing.M) {
	text := os.Getenv(jobVar)
	if text == "" {
		os.Exit(locktest.Tidy(m).Run())
	}
	var j job
	err := json.Unmarshal([]byte(text), &j)
	if err == nil {
		err = j.work()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func (j job) work() error {
	p, err := redis.OpenRedLock(context.Background(), j.Addrs, chaosOptions(j.Prefix))
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for _, kind := range kinds {
		arena, err := judge.OpenArena(filepath.Join(j.Dir, string(kind)))
		if err != nil {
			return err
		}
		for seat := j.First; seat < j.First+seats; seat++ {
			all.Go(func() { j.fight(p, kind, arena, seat) })
		}
	}
	all.Wait()
	return p.Close()
}

func (j job) fight(p *redis.RedLock, kind core.Kind, arena *judge.Arena, seat int) {
	locks, limit := []core.Lock{p.NewLock("chaos")}, 1
	switch kind {
	case core.KindRWLock:
		rw := p.NewRWLock("chaos")
		locks = []core.Lock{core.Writer(rw), core.Reader(rw), core.Reader(rw)}
	case core.KindSemaphore:
		locks, limit = []core.Lock{p.NewSemaphore("chaos", permits)}, permits
	}
	for arena.Stop.Load() == 0 {
		i := rand.IntN(len(locks))
		patience := 50*time.Millisecond + rand.N(chaosLease*3/2)
		if j.Unwise {
			patience = rand.N(100 * time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		h, err := locks[i].Acquire(ctx)
		cancel()
		switch {
		case err == nil:
			stay(arena, h, kind, seat, i > 0, limit)
		case j.Unwise:
			arena.Enter(seat, i > 0, limit)
			arena.Answer(seat, 0, func() bool { return true })
			time.Sleep(5 * time.Millisecond)
			arena.Answer(seat, 0, func() bool { return true })
			arena.Leave(seat)
		case errors.Is(err, core.ErrUnavailable):
			time.Sleep(rand.N(50 * time.Millisecond)) // Too few servers are up.
		case !errors.Is(err, core.ErrNotAcquired) && !errors.Is(err, context.DeadlineExceeded):
			arena.Failed.Add(err)
		}
	}
}

// stay is a critical section of some milliseconds, now and then of a good part of
// the lease, and seldom of more than all of it.
func stay(arena *judge.Arena, h core.Handle, kind core.Kind, seat int, shared bool, limit int) {
	next := arena.Cases.Load()
	arena.Enter(seat, shared, limit)
	if fresh := arena.Draw(h.Token(), shared); !fresh && kind != core.KindSemaphore && h.Err() == nil {
		arena.Behind.Add(1)
	}
	held := func() bool { return h.Err() == nil }
	end := time.Now().Add(rand.N(10 * time.Millisecond))
	switch rand.IntN(100) {
	case 0:
		end = end.Add(chaosLease + chaosLease/4)
	case 1, 2, 3, 4, 5, 6, 7, 8, 9:
		end = end.Add(chaosLease / 8)
	}
	for time.Now().Before(end) {
		next = arena.Answer(seat, next, held)
		time.Sleep(500 * time.Microsecond)
	}
	next = arena.Answer(seat, next, held)
	arena.Leave(seat)
	arena.Answer(seat, next, held)
	arena.Holds.Add(1)
	if !held() {
		arena.Losses.Add(1)
	}
	if err := h.Release(context.Background()); err != nil && !errors.Is(err, core.ErrLost) && !errors.Is(err, core.ErrUnavailable) {
		arena.Failed.Add(err)
	}
}

// TestChaos has processes compete while servers are killed and restarted empty,
// or frozen, one at a time and now and then two of three, and while the processes
// themselves are stopped for up to longer than their leases, or killed: no two
// handles that exclude each other are valid at one moment, and no token is smaller
// than one before.
func TestChaos(t *testing.T) {
	d := 30 * time.Second
	if testing.Short() {
		d = 5 * time.Second
	}
	if s := os.Getenv(chaosVar); s != "" {
		d = must[time.Duration](t)(time.ParseDuration(s))
	}
	chaos(t, d, false)
}

// The judges find those who enter without the lock.
func TestChaosIsJudged(t *testing.T) {
	if chaos(t, 4*time.Second, true) == 0 {
		t.Error("workers entered without the lock, and nothing was found")
	}
}

func chaos(t *testing.T, d time.Duration, unwise bool) (violations int) {
	skew(t)
	f := newFleet(t, 3)
	dir := t.TempDir()
	var arenas []*judge.Arena
	for _, kind := range kinds {
		arenas = append(arenas, must[*judge.Arena](t)(judge.OpenArena(filepath.Join(dir, string(kind)))))
	}
	crew := &crew{t: t, arenas: arenas}
	for i := range crew.all {
		j := job{Addrs: f.Addrs(), Prefix: f.opts.Prefix, Dir: dir, First: i * seats, Unwise: unwise}
		crew.jobs[i] = jobVar + "=" + string(must[[]byte](t)(json.Marshal(j)))
		crew.start(i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var tormentors sync.WaitGroup
	var told toll
	tormentors.Go(func() { told = torment(ctx, t, f.RedisNodes) })
	tormentors.Go(func() { crew.torment(ctx) })
	tormentors.Wait()
	crew.end()
	t.Logf("servers: %d killed and restarted empty, %d frozen, %d times two at once; processes: %d killed, %d stopped",
		told.killed, told.frozen, told.both, crew.killed, crew.stopped)
	for i, a := range arenas {
		bad, explained, open := a.Verdict()
		violations += bad
		t.Logf("%s: %d holds, %d lost; overlaps: %d unexplained, %d explained by a loss, %d open; %d token regressions; %d failures %s",
			kinds[i], a.Holds.Load(), a.Losses.Load(), bad, explained, open, a.Behind.Load(), a.Failed.Count(), a.Failed.First())
		switch {
		case unwise:
		case bad > 0 || a.Behind.Load() > 0 || a.Failed.Count() > 0:
			t.Errorf("%s: see above", kinds[i])
		case a.Holds.Load() < 3:
			t.Errorf("%s: only %d holds in %v: nothing went on", kinds[i], a.Holds.Load(), d)
		}
	}
	return violations
}

// A crew is the workers.
type crew struct {
	t      *testing.T
	arenas []*judge.Arena
	jobs   [workers]string
	all    [workers]*exec.Cmd

	killed, stopped int
}

func (c *crew) start(i int) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), c.jobs[i], "LD_PRELOAD=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		c.t.Error(err)
		return
	}
	c.all[i] = cmd
}

// torment stops one worker at a time for up to one and a half leases, or kills it.
func (c *crew) torment(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, rand.N(chaosLease))
		i := rand.IntN(workers)
		if rand.IntN(6) == 0 {
			c.killed++
			c.kill(i)
			continue
		}
		if err := c.all[i].Process.Signal(syscall.SIGSTOP); err != nil {
			c.t.Errorf("a worker has died by itself: %v", err)
		}
		c.stopped++
		pause(ctx, chaosLease/2+rand.N(chaosLease))
		_ = c.all[i].Process.Signal(syscall.SIGCONT)
	}
}

func (c *crew) kill(i int) {
	var done []func()
	for _, a := range c.arenas {
		done = append(done, a.Dooming())
	}
	_ = c.all[i].Process.Kill()
	_ = c.all[i].Wait()
	for k, a := range c.arenas {
		a.Kill((1<<seats - 1) << (i * seats))
		done[k]()
	}
	c.start(i)
}

// end has the workers finish.
func (c *crew) end() {
	for _, a := range c.arenas {
		a.Stop.Store(1)
	}
	for i, w := range c.all {
		timer := time.AfterFunc(30*time.Second, func() { _ = w.Process.Signal(syscall.SIGQUIT) })
		if err := w.Wait(); err != nil {
			c.t.Errorf("worker %d: %v", i, err)
		}
		timer.Stop()
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// A toll is what was done to the servers.
type toll struct{ killed, frozen, both int }

// torment has one server at a time in trouble, and now and then two.
func torment(ctx context.Context, t *testing.T, nodes testenv.RedisNodes) (done toll) {
	for ctx.Err() == nil {
		pause(ctx, rand.N(chaosLease/2))
		troubled := rand.Perm(len(nodes))[:1+rand.N(4)/3]
		done.both += len(troubled) - 1
		killed := make([]bool, len(nodes))
		for _, i := range troubled {
			if killed[i] = rand.N(2) == 0; killed[i] {
				done.killed++
				check(t, nodes[i].Kill())
			} else {
				done.frozen++
				check(t, nodes[i].Pause())
			}
		}
		pause(ctx, rand.N(chaosLease*3/2))
		for _, i := range troubled {
			if !killed[i] {
				check(t, nodes[i].Continue())
				continue
			}
			skewed()
			if err := nodes[i].Start(context.Background()); err != nil {
				t.Errorf("server %s: %v", nodes[i].Addr(), err)
			}
		}
	}
	return done
}

// skew gives each server that is started from now on a clock of its own, and
// another one after each restart: up to an eighth of the lease ahead or behind, and
// up to half a percent fast or slow. Clients are skewed to it, as only the
// differences matter.
func skew(t *testing.T) {
	library := filepath.Join(t.TempDir(), "skew.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-O2", "-o", library, "testdata/skew.c").CombinedOutput(); err != nil {
		t.Logf("the servers' clocks are right, as their library could not be built: %v: %s", err, out)
		return
	}
	// The servers may run as another user.
	for dir := library; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		check(t, os.Chmod(dir, 0o755))
	}
	t.Setenv("LD_PRELOAD", library)
	t.Setenv("SKEW", "")
	skewed()
}

// skewed chooses the clock of the next server. Should a majority of the registers
// be lost at one time, the tokens depend on the clocks: so they stay within a
// quarter of the lease of each other.
func skewed() {
	ms := (chaosLease / 4).Seconds() * 1000 * (rand.Float64() - .5)
	_ = os.Setenv("SKEW", fmt.Sprintf("%.0f %.5f", ms, 1+.01*(rand.Float64()-.5)))
}
