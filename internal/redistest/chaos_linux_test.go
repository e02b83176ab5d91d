package redistest

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
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
	"github.com/redis/go-redis/v9/logging"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/judge"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// chaosVar tells, in the environment, that this process is a worker, and
// chaosForVar for how long the chaos lasts, 60 s by default.
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
	Unwise bool   // the negative control: enter without the lock
}

var chaosKinds = []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore}

func TestMain(m *testing.M) {
	logging.Disable() // The driver writes to stderr when a server is gone, as most are here.
	if text := os.Getenv(chaosVar); text != "" {
		var j job
		err := json.Unmarshal([]byte(text), &j)
		if err == nil {
			err = j.work()
		}
		if err != nil {
			_, _ = os.Stderr.WriteString("chaos worker: " + err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil { // Those that wait do nothing else.
		panic(err)
	}
	os.Exit(locktest.Tidy(m).Run())
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
		patience := 5*time.Millisecond + rand.N(4*time.Second)
		if j.Unwise {
			patience = 5*time.Millisecond + rand.N(50*time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		h, err := locks[i].Acquire(ctx)
		cancel()
		switch {
		case err == nil:
			stay(arena, h, kind, seat, i > 0, limit)
		case j.Unwise && rand.IntN(2) == 0:
			arena.Enter(seat, i > 0, limit)
			arena.Answer(seat, 0, func() bool { return true })
			time.Sleep(time.Millisecond)
			arena.Answer(seat, 0, func() bool { return true })
			arena.Leave(seat)
		case !errors.Is(err, core.ErrNotAcquired) && !errors.Is(err, context.DeadlineExceeded):
			arena.Failed.Add(err)
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
		arena.Failed.Add(err)
	}
}

// A third of all messages is lost, every subscription is killed again and again,
// processes die, and callers give up: nobody is ever let in who may not, tokens
// grow, and there is no gap longer than the lease and the claim.
//
// In the usual run, beside other tests, the gap may be longer: there it also
// tells how long the machine makes a process wait.
func TestChaos(t *testing.T) {
	lasts, gap := 60*time.Second, 4*(chaosOptions().Lease+chaosOptions().Claim)
	if text := os.Getenv(chaosForVar); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		gap = chaosOptions().Lease + chaosOptions().Claim + time.Second // A waiter has to look.
	} else if testing.Short() {
		lasts = 10 * time.Second
	}
	c := newChaos(t, false)
	c.rage(func() bool { return c.age() > lasts })
	c.stop()
	for kind, a := range c.arenas {
		bad, _, _ := a.Verdict()
		if bad > 0 || a.Behind.Load() > 0 || a.Failed.Count() > 0 {
			t.Errorf("%s: see above", kind)
		}
		if a.Holds.Load() == 0 {
			t.Errorf("%s: nobody ever got in", kind)
		}
		if c.gaps[kind] > gap {
			t.Errorf("%s: nobody got in for %v; the limit is %v", kind, c.gaps[kind], gap)
		}
	}
}

// The detector finds those who enter without the lock, of every kind.
func TestChaosDetectorBites(t *testing.T) {
	c := newChaos(t, true)
	c.rage(func() bool {
		for _, a := range c.arenas {
			if bad, _, _ := a.Verdict(); bad == 0 {
				return c.age() > time.Minute
			}
		}
		return true
	})
	c.stop()
	for kind, a := range c.arenas {
		if bad, _, _ := a.Verdict(); bad == 0 {
			t.Errorf("%s: workers entered without the lock, and nothing was found", kind)
		}
	}
}

// chaos is one server behind a proxy, the workers, and what is known of them.
type chaos struct {
	t       *testing.T
	unwise  bool
	began   time.Time
	admin   *goredis.Client
	eye     *redis.Provider // sees who holds, past the proxy
	proxy   *faultproxy.Proxy
	dir     string
	arenas  map[core.Kind]*judge.Arena
	workers []*exec.Cmd

	seen, dropped atomic.Int64 // messages
	kills, cuts   int

	holds    map[core.Kind]uint64
	progress map[core.Kind]time.Time // when somebody got in last, or died inside
	gaps     map[core.Kind]time.Duration
}

func newChaos(t *testing.T, unwise bool) *chaos {
	server := start(t, testenv.RedisConfig{})
	c := &chaos{
		t: t, unwise: unwise, began: time.Now(), admin: admin(t, server), eye: open(t, server.URL(), &redis.Options{Timeout: 30 * time.Second}),
		proxy: faultproxy.New(t, server.Addr()), dir: t.TempDir(), workers: make([]*exec.Cmd, chaosProcesses),
		arenas: make(map[core.Kind]*judge.Arena), holds: make(map[core.Kind]uint64),
		progress: make(map[core.Kind]time.Time), gaps: make(map[core.Kind]time.Duration),
	}
	c.proxy.SetHook(func(e faultproxy.Event) faultproxy.Action {
		if e.Direction == faultproxy.Down {
			drop(e.Data, &c.seen, &c.dropped)
		}
		return faultproxy.Forward
	})
	for _, kind := range chaosKinds {
		var err error
		if c.arenas[kind], err = judge.OpenArena(filepath.Join(c.dir, string(kind))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range c.workers {
		c.start(i)
	}
	return c
}

func (c *chaos) age() time.Duration { return time.Since(c.began) }

func (c *chaos) start(i int) {
	text, _ := json.Marshal(job{Addr: c.proxy.Addr(), Dir: c.dir, First: i * chaosSeats, Unwise: c.unwise})
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), chaosVar+"="+string(text))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.workers[i] = cmd
}

// rage goes on until enough says so.
func (c *chaos) rage(enough func() bool) {
	nextCut, nextKill, nextLook := 700*time.Millisecond, 1500*time.Millisecond, time.Second
	for {
		age := c.age()
		if age > nextCut {
			c.admin.ClientKillByFilter(context.Background(), "TYPE", "pubsub")
			nextCut = age + 700*time.Millisecond
			c.cuts++
		}
		if age > nextKill {
			c.kill(rand.IntN(len(c.workers)))
			nextKill = age + 1500*time.Millisecond
		}
		c.watch()
		if age > nextLook {
			if enough() {
				return
			}
			nextLook = age + time.Second
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// kill kills a worker, and starts another one in its place.
func (c *chaos) kill(i int) {
	w := c.workers[i]
	var done []func()
	for _, a := range c.arenas {
		done = append(done, a.Dooming())
	}
	if err := w.Process.Kill(); err != nil {
		c.t.Errorf("a worker has died by itself: %v", err)
	}
	_ = w.Wait()
	for _, a := range c.arenas {
		a.Kill(uint64(1<<chaosSeats-1) << (i * chaosSeats))
	}
	for _, d := range done {
		d()
	}
	c.kills++
	c.mourn(w.Process.Pid)
	c.start(i)
}

// mourn takes in that a worker has died. What it held is nobody's from now on,
// for as long as its lease, or its claim, lasts.
func (c *chaos) mourn(pid int) {
	all, err := c.eye.Inspect(context.Background(), "chaos")
	if err != nil {
		c.t.Errorf("Inspect: %v", err)
	}
	for _, st := range all {
		for _, h := range st.Holders {
			if h.Owner.PID == pid {
				c.progress[st.Kind] = time.Now()
			}
		}
	}
}

// watch notes who made progress, and for how long nobody did. The time until the
// first one got in is that of the start.
func (c *chaos) watch() {
	for kind, a := range c.arenas {
		now := time.Now()
		if n := a.Holds.Load(); n != c.holds[kind] {
			c.holds[kind], c.progress[kind] = n, now
		} else if since := c.progress[kind]; !since.IsZero() {
			c.gaps[kind] = max(c.gaps[kind], now.Sub(since))
		}
	}
}

// stop ends the workers and tells what happened.
func (c *chaos) stop() {
	for _, a := range c.arenas {
		a.Stop.Store(1)
	}
	for i, w := range c.workers {
		timer := time.AfterFunc(time.Minute, func() { _ = w.Process.Signal(syscall.SIGQUIT) })
		if err := w.Wait(); err != nil {
			c.t.Errorf("worker %d: %v", i, err)
		}
		timer.Stop()
	}
	for kind, a := range c.arenas {
		bad, explained, open := a.Verdict()
		c.t.Logf("%s: %d holds, %d lost; %d kills, %d cuts, %d of %d messages dropped; overlaps: %d unexplained, %d explained by a loss, %d open; %d token regressions; %d failures %s; longest gap %v",
			kind, a.Holds.Load(), a.Losses.Load(), c.kills, c.cuts, c.dropped.Load(), c.seen.Load(), bad, explained, open, a.Behind.Load(), a.Failed.Count(), a.Failed.First(), c.gaps[kind])
	}
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
