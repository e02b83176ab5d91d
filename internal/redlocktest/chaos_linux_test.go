package redlocktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
	"github.com/distlock/distlock-go/internal/chaos"
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

	// chaosLease is short, and all troubles last as long as it says: half the lease is
	// twice the troubles in the same time.
	chaosLease = time.Second
)

func chaosOptions(prefix string) *redis.Options {
	return &redis.Options{Prefix: prefix, Lease: chaosLease, Claim: chaosLease / 2}
}

// A job is what one worker does.
type job struct {
	Addrs  []string
	Prefix string
	Dir    string // of the arenas
	First  int    // the worker's first seat
	Unwise bool   // the negative control
}

func TestMain(m *testing.M) {
	logging.Disable() // The driver writes to stderr when a server is gone, as most are here.
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
	fight := chaos.Fight{
		Dir: j.Dir, First: j.First, Seats: seats, Permits: 2, Unwise: j.Unwise,
		Patience: func() time.Duration { return 50*time.Millisecond + rand.N(chaosLease*3/2) },
		Stay:     stay,
		Look:     500 * time.Microsecond,
		Mercy:    func(err error) bool { return errors.Is(err, core.ErrUnavailable) }, // Too few servers are up.
	}
	if j.Unwise {
		fight.Patience = func() time.Duration { return rand.N(100 * time.Millisecond) }
	}
	return errors.Join(fight.Run(p), p.Close())
}

// stay is some milliseconds, now and then a good part of the lease, and seldom more
// than all of it.
func stay() time.Duration {
	d := rand.N(10 * time.Millisecond)
	switch n := rand.IntN(100); {
	case n == 0:
		d += chaosLease + chaosLease/4
	case n < 10:
		d += chaosLease / 8
	}
	return d
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
	rage(t, d, false)
}

// The judges find those who enter without the lock.
func TestChaosIsJudged(t *testing.T) {
	if rage(t, 4*time.Second, true) == 0 {
		t.Error("workers entered without the lock, and nothing was found")
	}
}

func rage(t *testing.T, d time.Duration, unwise bool) (violations int) {
	skew(t)
	f := newFleet(t, 3)
	dir := t.TempDir()
	crew := chaos.NewCrew(t, dir, workers, seats, func(i int) []string {
		j := job{Addrs: f.Addrs(), Prefix: f.opts.Prefix, Dir: dir, First: i * seats, Unwise: unwise}
		text, _ := json.Marshal(j)
		return []string{jobVar + "=" + string(text), "LD_PRELOAD="}
	})
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var tormentors sync.WaitGroup
	var told toll
	var stops int
	tormentors.Go(func() { told = torment(ctx, t, f.RedisNodes) })
	tormentors.Go(func() { stops = tormentWorkers(ctx, crew) })
	tormentors.Wait()
	crew.End()
	t.Logf("servers: %d killed and restarted empty, %d frozen, %d times two at once; processes: %d killed, %d stopped",
		told.killed, told.frozen, told.both, crew.Kills, stops)
	for _, kind := range chaos.Kinds {
		text, overlaps, bad := crew.Verdict(kind)
		violations += overlaps
		t.Log(text)
		switch holds := crew.Arenas[kind].Holds.Load(); {
		case unwise:
		case bad:
			t.Errorf("%s: see above", kind)
		case holds < 3:
			t.Errorf("%s: only %d holds in %v: nothing went on", kind, holds, d)
		}
	}
	return violations
}

// tormentWorkers stops one worker at a time for up to one and a half leases, or kills it.
func tormentWorkers(ctx context.Context, crew *chaos.Crew) (stops int) {
	for ctx.Err() == nil {
		pause(ctx, rand.N(chaosLease))
		i := rand.IntN(crew.Size())
		if rand.IntN(6) == 0 {
			crew.Kill(i, nil)
			continue
		}
		crew.Signal(i, syscall.SIGSTOP)
		stops++
		pause(ctx, chaosLease/2+rand.N(chaosLease))
		crew.Signal(i, syscall.SIGCONT)
	}
	return stops
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
