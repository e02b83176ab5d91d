//go:build unix

// Package redlock measures RedLock against the single server and against redsync.
package redlock

import (
	"context"
	"slices"
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
// a network with a round trip of 2 ms. acquire/single and release/single compare
// their medians with those of one server.
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
	kinds := []struct {
		name string
		lock func(context.Context) (func(), error)
	}{
		{"single", ours(single, "a")}, {"redlock3", ours(redlock(b, addrs), "a")}, {"redsync3", theirs(sync4(b, addrs), "b")},
	}
	acquires, releases := make([][]time.Duration, len(kinds)), make([][]time.Duration, len(kinds))
	for b.Loop() {
		// In turns, so that whatever else the machine does is the same for all.
		for i, c := range kinds {
			t := time.Now()
			unlock, err := c.lock(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			u := time.Now()
			unlock()
			acquires[i], releases[i] = append(acquires[i], u.Sub(t)), append(releases[i], time.Since(u))
		}
	}
	for i, c := range kinds {
		b.ReportMetric(float64(pct(acquires[i], .5).Microseconds()), c.name+"-acquire-p50-µs")
		b.ReportMetric(float64(pct(releases[i], .5).Microseconds()), c.name+"-release-p50-µs")
	}
	b.ReportMetric(float64(pct(acquires[1], .5))/float64(pct(acquires[0], .5)), "acquire/single")
	b.ReportMetric(float64(pct(releases[1], .5))/float64(pct(releases[0], .5)), "release/single")
}
