//go:build unix

// Package redlock measures RedLock against the single server and against redsync.
package redlock

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-redsync/redsync/v4"
	rsredis "github.com/go-redsync/redsync/v4/redis"
	rsgoredis "github.com/go-redsync/redsync/v4/redis/goredis/v9"
	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

const lease = 5 * time.Second

func ours(p core.Provider, name string) func(context.Context) (func(), error) {
	l := p.NewLock(name)
	return func(ctx context.Context) (func(), error) {
		h, err := l.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		return func() { _ = h.Release(context.Background()) }, nil
	}
}

func redlock(b *testing.B, addrs []string) *redis.RedLock {
	p, err := redis.OpenRedLock(b.Context(), addrs, &redis.Options{Lease: lease, Claim: 2 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() })
	return p
}

func bootstrap(b *testing.B, addrs []string) {
	if err := redlock(b, addrs).Bootstrap(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func sync4(b *testing.B, addrs []string) *redsync.Redsync {
	var pools []rsredis.Pool
	for _, addr := range addrs {
		c := goredis.NewClient(&goredis.Options{Addr: addr, ContextTimeoutEnabled: true, MaxRetries: -1})
		b.Cleanup(func() { _ = c.Close() })
		pools = append(pools, rsgoredis.NewPool(c))
	}
	return redsync.New(pools...)
}

func theirs(rs *redsync.Redsync, name string) func(context.Context) (func(), error) {
	return func(ctx context.Context) (func(), error) {
		m := rs.NewMutex(name, redsync.WithExpiry(lease), redsync.WithTries(1<<20))
		if err := m.LockContext(ctx); err != nil {
			return nil, err
		}
		return func() { _, _ = m.Unlock() }, nil
	}
}

func pct(d []time.Duration, p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[int(float64(len(d)-1)*p)]
}

// BenchmarkUncontended measures one acquire and one release that meet nobody, over
// a network with a round trip of 2 ms.
func BenchmarkUncontended(b *testing.B) {
	nodes, err := testenv.StartRedisNodes(b.Context(), 3, testenv.RedisConfig{})
	if err != nil {
		b.Fatal(err)
	}
	defer nodes.Close()
	var addrs []string
	for _, addr := range nodes.Addrs() {
		p := faultproxy.New(b, addr)
		p.SetRoundTrip(2 * time.Millisecond)
		addrs = append(addrs, p.Addr())
	}
	bootstrap(b, addrs)
	client := goredis.NewClient(&goredis.Options{Addr: addrs[0]})
	defer client.Close()
	single, err := redis.New(client, &redis.Options{Prefix: "single"})
	if err != nil {
		b.Fatal(err)
	}
	defer single.Close()
	for _, c := range []struct {
		name string
		lock func(context.Context) (func(), error)
	}{
		{"single", ours(single, "a")}, {"redlock3", ours(redlock(b, addrs), "a")}, {"redsync3", theirs(sync4(b, addrs), "b")},
	} {
		b.Run(c.name, func(b *testing.B) {
			var acquires, releases []time.Duration
			for b.Loop() {
				t := time.Now()
				unlock, err := c.lock(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				u := time.Now()
				unlock()
				acquires, releases = append(acquires, u.Sub(t)), append(releases, time.Since(u))
			}
			b.ReportMetric(float64(pct(acquires, .5).Microseconds()), "acquire-p50-µs")
			b.ReportMetric(float64(pct(releases, .5).Microseconds()), "release-p50-µs")
		})
	}
}

// BenchmarkContended has 24 callers in 6 processes compete for one lock that each
// holds for a millisecond, for 8 s.
func BenchmarkContended(b *testing.B) { contend(b, 3, nil) }

// BenchmarkFrozen is the same with a minority frozen from the third second to the
// sixth: first the server at which the others wait.
func BenchmarkFrozen(b *testing.B) {
	for _, n := range []int{3, 5} {
		b.Run(fmt.Sprintf("%d", n), func(b *testing.B) {
			contend(b, n, func(nodes testenv.RedisNodes) func() {
				sorted := slices.Clone(nodes)
				slices.SortFunc(sorted, func(x, y *testenv.Redis) int {
					if x.Addr() < y.Addr() {
						return -1
					}
					return 1
				})
				for _, s := range sorted[:n/2] {
					_ = s.Pause()
				}
				return func() {
					for _, s := range sorted[:n/2] {
						_ = s.Continue()
					}
				}
			})
		})
	}
}

func contend(b *testing.B, n int, freeze func(testenv.RedisNodes) func()) {
	for _, kind := range []string{"redlock", "redsync"} {
		b.Run(kind, func(b *testing.B) {
			nodes, err := testenv.StartRedisNodes(b.Context(), n, testenv.RedisConfig{})
			if err != nil {
				b.Fatal(err)
			}
			defer nodes.Close()
			bootstrap(b, nodes.Addrs())
			var makers []func() func(context.Context) (func(), error)
			for range 6 {
				if kind == "redlock" {
					p := redlock(b, nodes.Addrs())
					makers = append(makers, func() func(context.Context) (func(), error) { return ours(p, "c") })
				} else {
					rs := sync4(b, nodes.Addrs())
					makers = append(makers, func() func(context.Context) (func(), error) { return theirs(rs, "c") })
				}
			}
			for b.Loop() {
				const d = 8 * time.Second
				ctx, cancel := context.WithTimeout(b.Context(), d)
				var mu sync.Mutex
				var waits, frozen []time.Duration
				var second [9]atomic.Int64
				var inside, overlaps atomic.Int64
				counts := make([]int64, 24)
				begun := time.Now()
				if freeze != nil {
					time.AfterFunc(3*time.Second, func() { time.AfterFunc(3*time.Second, freeze(nodes)) })
				}
				var all sync.WaitGroup
				for i := range counts {
					lock := makers[i%6]()
					all.Go(func() {
						for ctx.Err() == nil {
							t := time.Now()
							unlock, err := lock(ctx)
							if err != nil {
								continue
							}
							wait := time.Since(t)
							if inside.Add(1) > 1 {
								overlaps.Add(1)
							}
							time.Sleep(time.Millisecond)
							inside.Add(-1)
							at := min(int(time.Since(begun)/time.Second), 8)
							unlock()
							second[at].Add(1)
							counts[i]++
							mu.Lock()
							waits = append(waits, wait)
							if at == 4 || at == 5 {
								frozen = append(frozen, wait)
							}
							mu.Unlock()
						}
					})
				}
				all.Wait()
				cancel()
				b.ReportMetric(float64(len(waits)), "holds")
				b.ReportMetric(float64(pct(waits, .5).Milliseconds()), "p50-ms")
				b.ReportMetric(float64(pct(waits, .99).Milliseconds()), "p99-ms")
				b.ReportMetric(float64(slices.Max(counts))/float64(max(1, slices.Min(counts))), "max/min")
				b.ReportMetric(float64(overlaps.Load()), "overlaps")
				per := ""
				for i := range 8 {
					per += fmt.Sprint(second[i].Load(), " ")
				}
				b.Logf("holds per second: %s", per)
				if freeze != nil {
					b.ReportMetric(float64(pct(frozen, .99).Milliseconds()), "p99-frozen-ms")
				}
			}
		})
	}
}
