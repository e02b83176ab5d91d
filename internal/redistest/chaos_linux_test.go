package redistest

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
	"github.com/distlock/distlock-go/internal/chaos"
	"github.com/distlock/distlock-go/internal/faultproxy"
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
)

// A job is what one worker does.
type job struct {
	Addr   string // of the proxy
	Dir    string // of the arenas
	First  int    // the process's first seat
	Unwise bool   // the negative control
}

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
	fight := chaos.Fight{
		Dir: j.Dir, First: j.First, Seats: chaosSeats, Permits: 3, Unwise: j.Unwise,
		Patience: func() time.Duration { return 5*time.Millisecond + rand.N(4*time.Second) },
		Stay:     chaosStay,
		Look:     50 * time.Microsecond,
	}
	if j.Unwise {
		fight.Patience = func() time.Duration { return 5*time.Millisecond + rand.N(50*time.Millisecond) }
	}
	return errors.Join(fight.Run(p), p.Close())
}

// chaosStay is about a millisecond, and now and then more than a third of the lease.
func chaosStay() time.Duration {
	d := rand.N(2 * time.Millisecond)
	if rand.IntN(500) == 0 {
		d += 1200 * time.Millisecond
	}
	return d
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
	s := newStorm(t, false)
	s.rage(func() bool { return s.age() > lasts })
	s.stop()
	for _, kind := range chaos.Kinds {
		if _, _, bad := s.crew.Verdict(kind); bad {
			t.Errorf("%s: see above", kind)
		}
		if s.crew.Arenas[kind].Holds.Load() == 0 {
			t.Errorf("%s: nobody ever got in", kind)
		}
		if s.gaps[kind] > gap {
			t.Errorf("%s: nobody got in for %v; the limit is %v", kind, s.gaps[kind], gap)
		}
	}
}

// The detector finds those who enter without the lock, of every kind.
func TestChaosDetectorBites(t *testing.T) {
	s := newStorm(t, true)
	s.rage(func() bool { return s.age() > time.Minute || len(s.unfound()) == 0 })
	s.stop()
	for _, kind := range s.unfound() {
		t.Errorf("%s: workers entered without the lock, and nothing was found", kind)
	}
}

// A storm is one server behind a proxy, the workers, and what is known of them.
type storm struct {
	t     *testing.T
	began time.Time
	admin *goredis.Client
	eye   *redis.Provider // sees who holds, past the proxy
	crew  *chaos.Crew

	seen, dropped atomic.Int64 // messages
	cuts          int

	holds    map[core.Kind]uint64
	progress map[core.Kind]time.Time // when somebody got in last, or died inside
	gaps     map[core.Kind]time.Duration
}

func newStorm(t *testing.T, unwise bool) *storm {
	server := start(t, testenv.RedisConfig{})
	s := &storm{
		t: t, began: time.Now(), admin: admin(t, server),
		eye:   open(t, server.URL(), &redis.Options{Timeout: 30 * time.Second}),
		holds: make(map[core.Kind]uint64), progress: make(map[core.Kind]time.Time), gaps: make(map[core.Kind]time.Duration),
	}
	proxy := faultproxy.New(t, server.Addr())
	proxy.SetHook(func(e faultproxy.Event) faultproxy.Action {
		if e.Direction == faultproxy.Down {
			drop(e.Data, &s.seen, &s.dropped)
		}
		return faultproxy.Forward
	})
	dir := t.TempDir()
	s.crew = chaos.NewCrew(t, dir, chaosProcesses, chaosSeats, func(i int) []string {
		text, _ := json.Marshal(job{Addr: proxy.Addr(), Dir: dir, First: i * chaosSeats, Unwise: unwise})
		return []string{chaosVar + "=" + string(text)}
	})
	return s
}

func (s *storm) age() time.Duration { return time.Since(s.began) }

// unfound are the kinds of which the judge has found nothing yet.
func (s *storm) unfound() (kinds []core.Kind) {
	for _, kind := range chaos.Kinds {
		if _, overlaps, _ := s.crew.Verdict(kind); overlaps == 0 {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// rage goes on until enough says so.
func (s *storm) rage(enough func() bool) {
	nextCut, nextKill, nextLook := 700*time.Millisecond, 1500*time.Millisecond, time.Second
	for {
		age := s.age()
		if age > nextCut {
			s.admin.ClientKillByFilter(context.Background(), "TYPE", "pubsub")
			nextCut = age + 700*time.Millisecond
			s.cuts++
		}
		if age > nextKill {
			s.crew.Kill(rand.IntN(s.crew.Size()), s.mourn)
			nextKill = age + 1500*time.Millisecond
		}
		s.watch()
		if age > nextLook {
			if enough() {
				return
			}
			nextLook = age + time.Second
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// mourn takes in that a worker has died. What it held is nobody's from now on,
// for as long as its lease, or its claim, lasts.
func (s *storm) mourn(pid int) {
	all, err := s.eye.Inspect(context.Background(), "chaos")
	if err != nil {
		s.t.Errorf("Inspect: %v", err)
	}
	for _, st := range all {
		for _, h := range st.Holders {
			if h.Owner.PID == pid {
				s.progress[st.Kind] = time.Now()
			}
		}
	}
}

// watch notes who made progress, and for how long nobody did. The time until the
// first one got in is that of the start.
func (s *storm) watch() {
	for kind, a := range s.crew.Arenas {
		now := time.Now()
		if n := a.Holds.Load(); n != s.holds[kind] {
			s.holds[kind], s.progress[kind] = n, now
		} else if since := s.progress[kind]; !since.IsZero() {
			s.gaps[kind] = max(s.gaps[kind], now.Sub(since))
		}
	}
}

// stop ends the workers and tells what happened.
func (s *storm) stop() {
	s.crew.End()
	s.t.Logf("%d kills, %d cuts, %d of %d messages dropped", s.crew.Kills, s.cuts, s.dropped.Load(), s.seen.Load())
	for _, kind := range chaos.Kinds {
		text, _, _ := s.crew.Verdict(kind)
		s.t.Logf("%s; longest gap %v", text, s.gaps[kind])
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
