//go:build unix

package redlock

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
)

// A minority has its trouble from the third second to the sixth of eight.
const (
	span    = 8
	trouble = 3
	relief  = 6
	callers = 24
)

// BenchmarkContended has 24 callers in 6 processes compete for one lock that each
// holds for a millisecond, for 8 s, with this package and then with redsync.
// redlock/redsync compares how long the unluckiest wait, and max/min is how
// unequally they are served.
func BenchmarkContended(b *testing.B) {
	var ours, theirs *log
	b.Run("redlock", func(b *testing.B) {
		for b.Loop() {
			ours = contend(b, start(b, 3).Addrs(), "redlock", nil)
			ours.report(b)
		}
	})
	b.Run("redsync", func(b *testing.B) {
		for b.Loop() {
			theirs = contend(b, start(b, 3).Addrs(), "redsync", nil)
			theirs.report(b)
			if ours != nil {
				b.ReportMetric(float64(pct(ours.waits, .99))/float64(max(1, pct(theirs.waits, .99))), "redlock/redsync-p99")
			}
		}
	})
}

// A disorder happens to some of the servers, and can be undone.
type disorder struct{ begin, end func() }

// BenchmarkFrozen is BenchmarkContended with a minority stopped by a signal: the
// server at which the others wait, the one after it, or two of five.
func BenchmarkFrozen(b *testing.B) {
	for _, c := range []struct {
		name        string
		n, from, to int
	}{{"arbiter-of-3", 3, 0, 1}, {"other-of-3", 3, 1, 2}, {"two-of-5", 5, 0, 2}} {
		b.Run(c.name, func(b *testing.B) {
			nodes := start(b, c.n)
			slices.SortFunc(nodes, func(x, y *testenv.Redis) int { return strings.Compare(x.Addr(), y.Addr()) })
			each := func(do func(*testenv.Redis) error) func() {
				return func() {
					for _, node := range nodes[c.from:c.to] {
						if err := do(node); err != nil {
							b.Error(err)
						}
					}
				}
			}
			measure(b, nodes.Addrs(), &disorder{each((*testenv.Redis).Pause), each((*testenv.Redis).Continue)})
		})
	}
}

// BenchmarkBlackHoled is BenchmarkFrozen with a network that swallows what is sent
// to the minority, and new connections to it.
func BenchmarkBlackHoled(b *testing.B) {
	for _, c := range []struct {
		name        string
		n, from, to int
	}{{"arbiter-of-3", 3, 0, 1}, {"other-of-3", 3, 1, 2}, {"two-of-5", 5, 0, 2}} {
		b.Run(c.name, func(b *testing.B) {
			var proxies []*faultproxy.Proxy
			for _, addr := range start(b, c.n).Addrs() {
				proxies = append(proxies, faultproxy.New(b, addr))
			}
			slices.SortFunc(proxies, func(x, y *faultproxy.Proxy) int { return strings.Compare(x.Addr(), y.Addr()) })
			var addrs []string
			for _, p := range proxies {
				addrs = append(addrs, p.Addr())
			}
			each := func(do func(*faultproxy.Proxy)) func() {
				return func() {
					for _, p := range proxies[c.from:c.to] {
						do(p)
					}
				}
			}
			measure(b, addrs, &disorder{each((*faultproxy.Proxy).BlackHole), each((*faultproxy.Proxy).Heal)})
		})
	}
}

func start(b *testing.B, n int) testenv.RedisNodes {
	nodes, err := testenv.StartRedisNodes(b.Context(), n, testenv.RedisConfig{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = nodes.Close() })
	return nodes
}

// makers return the lock of each of six processes.
func makers(b *testing.B, addrs []string, kind string) (all []func() func(context.Context) (func(), error)) {
	for range 6 {
		if kind == "redlock" {
			p := redlock(b, addrs)
			all = append(all, func() func(context.Context) (func(), error) { return ours(p, "c") })
		} else {
			rs := sync4(b, addrs)
			all = append(all, func() func(context.Context) (func(), error) { return theirs(rs, "c") })
		}
	}
	return all
}

// A log is what the callers have lived through.
type log struct {
	mu      sync.Mutex
	begun   time.Time
	waits   []time.Duration
	amid    []time.Duration // those that ended more than a second after the trouble had begun
	grants  []time.Time
	seconds [span + 1]int
	counts  []int64 // of grants, by caller

	inside, overlaps atomic.Int64
}

func (l *log) add(wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := min(int(time.Since(l.begun)/time.Second), span)
	l.seconds[at]++
	l.waits, l.grants = append(l.waits, wait), append(l.grants, time.Now())
	if at > trouble && at < relief {
		l.amid = append(l.amid, wait)
	}
}

// gap returns the longest time without a grant.
func (l *log) gap() (longest time.Duration) {
	for i := 1; i < len(l.grants); i++ {
		longest = max(longest, l.grants[i].Sub(l.grants[i-1]))
	}
	return longest
}

// kept returns how much of the throughput of the healthy seconds is left once the
// trouble is a second old, in percent.
func (l *log) kept() float64 {
	healthy, amid := 0, 0
	for s := 1; s < trouble; s++ {
		healthy += l.seconds[s]
	}
	for s := trouble + 1; s < relief; s++ {
		amid += l.seconds[s]
	}
	return 100 * float64(amid) / (relief - trouble - 1) / (float64(max(healthy, 1)) / (trouble - 1))
}

// measure tells what is left of the throughput, and how long the unluckiest wait,
// while there is disorder.
func measure(b *testing.B, addrs []string, d *disorder) {
	for b.Loop() {
		l := contend(b, addrs, "redlock", d)
		l.report(b)
		b.ReportMetric(l.kept(), "kept-%")
		b.ReportMetric(float64(pct(l.amid, .99).Milliseconds()), "p99-amid-ms")
	}
}

func contend(b *testing.B, addrs []string, kind string, d *disorder) *log {
	bootstrap(b, addrs)
	locks := makers(b, addrs, kind)
	ctx, cancel := context.WithTimeout(b.Context(), span*time.Second)
	defer cancel()
	l := &log{begun: time.Now(), counts: make([]int64, callers)}
	var all sync.WaitGroup
	for i := range l.counts {
		lock := locks[i%len(locks)]()
		all.Go(func() {
			for ctx.Err() == nil {
				t := time.Now()
				unlock, err := lock(ctx)
				if err != nil {
					continue
				}
				l.add(time.Since(t))
				if l.inside.Add(1) > 1 {
					l.overlaps.Add(1)
				}
				time.Sleep(time.Millisecond)
				l.inside.Add(-1)
				unlock()
				l.counts[i]++
			}
		})
	}
	if d != nil {
		time.Sleep(time.Until(l.begun.Add(trouble * time.Second)))
		d.begin()
		time.Sleep(time.Until(l.begun.Add(relief * time.Second)))
		d.end()
	}
	all.Wait()
	return l
}

func (l *log) report(b *testing.B) {
	b.ReportMetric(float64(len(l.waits)), "holds")
	b.ReportMetric(float64(pct(l.waits, .5).Milliseconds()), "p50-ms")
	b.ReportMetric(float64(pct(l.waits, .99).Milliseconds()), "p99-ms")
	b.ReportMetric(float64(slices.Max(l.counts))/float64(max(1, slices.Min(l.counts))), "max/min")
	b.ReportMetric(float64(l.overlaps.Load()), "overlaps")
	b.ReportMetric(float64(l.gap().Milliseconds()), "longest-gap-ms")
	b.Logf("holds per second: %s", strings.Trim(fmt.Sprint(l.seconds), "[]"))
}
