package redistest

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
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/judge"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// chaosVar tells, in the environment, that this process is a worker, and
// chaosForVar for how long the chaos lasts, 1 minute by default.
const (
	chaosVar    = "DISTLOCK_CHAOS_JOB"
	chaosForVar = "DISTLOCK_CHAOS_FOR"
)

const (
	chaosProcesses = 6
	chaosSeats     = 10 // goroutines of each process, for each primitive
	chaosPermits   = 3
)

// A job is what one worker does.
type job struct {
	Addr   string // of the proxy
	Dir    string // of the arenas
	First  int    // the process's first seat
	Seed   uint64
	Unwise bool // the negative control: enter without the lock, now and then
}

var chaosKinds = []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore}

func TestMain(m *testing.M) {
	if text := os.Getenv(chaosVar); text != "" {
		var j job
		err := json.Unmarshal([]byte(text), &j)
		if err == nil {
			err = j.work()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "chaos worker:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func chaosOptions() *redis.Options {
	return &redis.Options{Lease: 3 * time.Second, Claim: time.Second, WaitLease: 3 * time.Second}
}

func (j job) work() error {
	c := goredis.NewClient(&goredis.Options{Addr: j.Addr, PoolSize: 10})
	defer c.Close()
	p, err := redis.New(c, chaosOptions())
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for _, kind := range chaosKinds {
		arena, err := judge.OpenArena(filepath.Join(j.Dir, string(kind)))
		if err != nil {
			return err
		}
		for seat := j.First; seat < j.First+chaosSeats; seat++ {
			all.Go(func() { j.fight(p, kind, arena, seat) })
		}
	}
	all.Wait()
	return p.Close()
}

func (j job) fight(p *redis.Provider, kind core.Kind, arena *judge.Arena, seat int) {
	locks := []core.Lock{p.NewLock("chaos")}
	limit := 1
	switch kind {
	case core.KindRWLock:
		rw := p.NewRWLock("chaos")
		locks = []core.Lock{core.Writer(rw), core.Reader(rw), core.Reader(rw)}
	case core.KindSemaphore:
		locks, limit = []core.Lock{p.NewSemaphore("chaos", chaosPermits)}, chaosPermits
	}
	for arena.Stop.Load() == 0 {
		i := rand.IntN(len(locks))
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond+rand.N(4*time.Second))
		h, err := locks[i].Acquire(ctx)
		cancel()
		switch {
		case err == nil:
			stay(arena, h, kind, seat, i > 0, limit)
		case j.Unwise && rand.IntN(8) == 0:
			arena.Enter(seat, i > 0, limit)
			arena.Answer(seat, 0, func() bool { return true })
			time.Sleep(time.Millisecond)
			arena.Answer(seat, 0, func() bool { return true })
			arena.Leave(seat)
		case !errors.Is(err, core.ErrNotAcquired) && !errors.Is(err, context.DeadlineExceeded):
			arena.Fail(err)
		}
	}
}

// stay is a critical section of about a millisecond, and now and then of more
// than a third of the lease.
func stay(arena *judge.Arena, h core.Handle, kind core.Kind, seat int, shared bool, limit int) {
	next := arena.Cases.Load()
	arena.Enter(seat, shared, limit)
	if fresh := arena.Draw(h.Token(), shared); !fresh && kind != core.KindSemaphore && h.Err() == nil {
		arena.Behind.Add(1)
	}
	held := func() bool { return h.Err() == nil }
	end := time.Now().Add(rand.N(2 * time.Millisecond))
	if rand.IntN(500) == 0 {
		end = end.Add(1200 * time.Millisecond)
	}
	for time.Now().Before(end) {
		next = arena.Answer(seat, next, held)
		time.Sleep(50 * time.Microsecond)
	}
	next = arena.Answer(seat, next, held)
	arena.Leave(seat)
	arena.Answer(seat, next, held)
	arena.Holds.Add(1)
	if !held() {
		arena.Losses.Add(1)
	}
	if err := h.Release(context.Background()); err != nil && !errors.Is(err, core.ErrLost) {
		arena.Fail(err)
	}
}

// A third of all messages is lost, every subscription is killed again and again,
// processes die, and callers give up: nobody is ever let in who may not, tokens
// grow, and there is no gap longer than the lease and the claim.
func TestChaos(t *testing.T) {
	lasts := time.Minute
	if text := os.Getenv(chaosForVar); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	} else if testing.Short() {
		lasts = 10 * time.Second
	}
	chaos(t, lasts, false)
}

// The detector finds those who enter without the lock.
func TestChaosDetectorBites(t *testing.T) {
	if v := chaos(t, 5*time.Second, true); v == 0 {
		t.Error("workers entered without the lock, and nothing was found")
	}
}

func chaos(t *testing.T, lasts time.Duration, unwise bool) (violations int) {
	server := testenv.NewRedis(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	var seen, dropped atomic.Int64
	proxy.SetHook(func(e faultproxy.Event) faultproxy.Action {
		if e.Direction == faultproxy.Down {
			drop(e.Data, &seen, &dropped)
		}
		return faultproxy.Forward
	})
	dir := t.TempDir()
	arenas := make(map[core.Kind]*judge.Arena)
	for _, kind := range chaosKinds {
		var err error
		if arenas[kind], err = judge.OpenArena(filepath.Join(dir, string(kind))); err != nil {
			t.Fatal(err)
		}
	}
	workers := make([]*exec.Cmd, chaosProcesses)
	start := func(i int) {
		text, _ := json.Marshal(job{Addr: proxy.Addr(), Dir: dir, First: i * chaosSeats, Seed: rand.Uint64(), Unwise: unwise})
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), chaosVar+"="+string(text))
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		workers[i] = cmd
	}
	for i := range workers {
		start(i)
	}
	c := admin(t, server)
	deadline := time.Now().Add(lasts)
	kills, cuts := 0, 0
	gaps := make(map[core.Kind]time.Duration)
	progress := make(map[core.Kind]time.Time)
	holds := make(map[core.Kind]uint64)
	for _, kind := range chaosKinds {
		progress[kind] = time.Now().Add(time.Second) // They have to start.
	}
	nextKill, nextCut := time.Now().Add(1500*time.Millisecond), time.Now().Add(700*time.Millisecond)
	for now := time.Now(); now.Before(deadline); now = time.Now() {
		if now.After(nextCut) {
			c.ClientKillByFilter(context.Background(), "TYPE", "pubsub")
			nextCut = now.Add(700 * time.Millisecond)
			cuts++
		}
		if now.After(nextKill) {
			i := rand.IntN(len(workers))
			seats := uint64(1<<chaosSeats-1) << (i * chaosSeats)
			var done []func()
			for _, a := range arenas {
				done = append(done, a.Dooming())
			}
			if err := workers[i].Process.Kill(); err != nil {
				t.Errorf("a worker has died by itself: %v", err)
			}
			_ = workers[i].Wait()
			for _, a := range arenas {
				a.Kill(seats)
			}
			for _, d := range done {
				d()
			}
			start(i)
			kills++
			nextKill = now.Add(1500 * time.Millisecond)
		}
		for kind, a := range arenas {
			if n := a.Holds.Load(); n != holds[kind] {
				holds[kind], progress[kind] = n, now
			} else if gap := now.Sub(progress[kind]); gap > gaps[kind] {
				gaps[kind] = gap
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	for _, a := range arenas {
		a.Stop.Store(1)
	}
	for i, w := range workers {
		timer := time.AfterFunc(30*time.Second, func() { _ = w.Process.Signal(syscall.SIGQUIT) })
		if err := w.Wait(); err != nil {
			t.Errorf("worker %d: %v", i, err)
		}
		timer.Stop()
	}
	o := chaosOptions()
	for kind, a := range arenas {
		bad, explained, open := a.Verdict()
		violations += bad
		t.Logf("%s: %d holds, %d lost; %d kills, %d cuts, %d of %d messages dropped; overlaps: %d unexplained, %d explained by a loss, %d open; %d token regressions; %d failures %s; longest gap %v",
			kind, a.Holds.Load(), a.Losses.Load(), kills, cuts, dropped.Load(), seen.Load(), bad, explained, open, a.Behind.Load(), a.Failures.Load(), a.FirstFailure(), gaps[kind])
		if unwise {
			continue
		}
		if bad > 0 || a.Behind.Load() > 0 || a.Failures.Load() > 0 {
			t.Errorf("%s: see above", kind)
		}
		// A holder that dies costs its lease, a waiter that is granted and dies its
		// claim; and a waiter has to look.
		if most := o.Lease + o.Claim + time.Second; gaps[kind] > most {
			t.Errorf("%s: nobody got in for %v; the lease and the claim are %v", kind, gaps[kind], o.Lease+o.Claim)
		}
	}
	return violations
}

// drop makes a third of the messages in what a server says unreadable. Their
// receivers pass over what they do not know.
func drop(data []byte, seen, dropped *atomic.Int64) {
	for i := 0; i+2 < len(data); i++ {
		if (data[i] == 'G' || data[i] == 'P') && data[i+1] == '|' && (i == 0 || data[i-1] == '\n') {
			if seen.Add(1); rand.IntN(3) == 0 {
				dropped.Add(1)
				data[i] = 'X'
			}
		}
	}
}
