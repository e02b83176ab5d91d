//go:build unix

package redis

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/internal/bench/process"
	"github.com/distlock/distlock-go/internal/testenv"
)

const (
	programs = 8
	callers  = 8 // of each program
	hold     = time.Millisecond
)

// programVar tells, in the environment, that this process is one of the programs of
// BenchmarkContended, and which.
const programVar = "DISTLOCK_BENCH_PROGRAM"

// A program has several callers acquire a lock and release it a little later.
type program struct {
	Locker string // by name
	Addr   string
}

// A caller is what one of them has seen.
type caller struct {
	Waits []time.Duration // one of each acquire
	Held  time.Duration   // in all, with what the machine adds to a sleep
}

func TestMain(m *testing.M) {
	if text := os.Getenv(programVar); text != "" {
		process.Main(func() (process.Work, error) {
			var p program
			if err := json.Unmarshal([]byte(text), &p); err != nil {
				return nil, err
			}
			return p.open()
		})
		return
	}
	os.Exit(m.Run())
}

func (p program) open() (process.Work, error) {
	i := slices.IndexFunc(lockers, func(l peer) bool { return l.name == p.Locker })
	l, err := lockers[i].open(roomy(p.Addr))
	if err != nil {
		return nil, err
	}
	return func(working context.Context) (any, error) {
		defer l.Close()
		var all [callers]caller
		var wg sync.WaitGroup
		for i := range all {
			wg.Go(func() { all[i].compete(working, l, "contended "+p.Locker) })
		}
		wg.Wait()
		return all, nil
	}, nil
}

func (c *caller) compete(ctx context.Context, l locker, name string) {
	for ctx.Err() == nil {
		start := time.Now()
		unlock, err := l.lock(ctx, name)
		if err != nil {
			return
		}
		got := time.Now()
		c.Waits = append(c.Waits, got.Sub(start))
		time.Sleep(hold)
		c.Held += time.Since(got)
		_ = unlock()
	}
}

// BenchmarkContended is 8 processes of 8 callers each on one name, which hold it for
// 1 ms, for 10 s.
func BenchmarkContended(b *testing.B) {
	const lasts = 10 * time.Second
	server := testenv.NewRedis(b, testenv.RedisConfig{})
	for _, peer := range lockers {
		b.Run(peer.name, func(b *testing.B) {
			for b.Loop() {
				reportContest(b, contest(b, program{peer.name, server.Addr()}, lasts), lasts, bareTrip(b, server.Addr()))
			}
		})
	}
}

// contest lets the programs compete, and returns what their callers have seen.
func contest(b *testing.B, p program, lasts time.Duration) (all []caller) {
	b.Helper()
	text, _ := json.Marshal(p)
	var competitors [programs]*process.Process
	for i := range competitors {
		competitors[i] = process.Start(b, programVar, string(text))
	}
	for _, c := range competitors {
		c.Begin(b)
	}
	time.Sleep(lasts)
	for _, c := range competitors {
		c.Stop(b)
	}
	for _, c := range competitors {
		var seen [callers]caller
		c.Result(b, &seen)
		all = append(all, seen[:]...)
	}
	return all
}

// reportContest compares with the ideal: everybody waits for all others once, and
// each of them costs its hold and two round trips.
func reportContest(b *testing.B, all []caller, lasts, trip time.Duration) {
	var waits []time.Duration
	var held time.Duration
	least, most := len(all[0].Waits), 0
	for _, c := range all {
		waits = append(waits, c.Waits...)
		held += c.Held
		least, most = min(least, len(c.Waits)), max(most, len(c.Waits))
	}
	ideal := time.Duration(len(all)) * (held/time.Duration(max(1, len(waits))) + 2*trip)
	p99 := percentile(waits, 99)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(len(waits))/lasts.Seconds(), "acquisitions/s")
	b.ReportMetric(float64(most), "most")
	b.ReportMetric(float64(least), "least")
	b.ReportMetric(float64(most)/float64(max(1, least)), "most/least")
	b.ReportMetric(float64(p99.Milliseconds()), "p99-ms")
	b.ReportMetric(float64(slices.Max(waits).Milliseconds()), "max-ms")
	b.ReportMetric(float64(p99)/float64(ideal), "p99/ideal")
}

// bareTrip is the median of a PING.
func bareTrip(tb testing.TB, addr string) time.Duration {
	c := roomy(addr).client()
	defer c.Close()
	var took []time.Duration
	for range 200 {
		start := time.Now()
		c.Ping(context.Background())
		took = append(took, time.Since(start))
	}
	return median(took)
}
