//go:build unix

// Package postgres_test compares the PostgreSQL backend with the bare protocol
// and with what is usually written by hand: a pool, and one connection a lock.
// Absolute times say something about the machine only, so every benchmark
// measures its yardstick in the same run and reports the ratio.
package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/postgres"
)

var ctx = context.Background()

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func server(b *testing.B) *testenv.Postgres {
	return testenv.NewPostgres(b, testenv.PostgresConfig{Settings: map[string]string{"max_connections": "400", "max_locks_per_transaction": "256"}})
}

func open(b *testing.B, url string, o *postgres.Options) *postgres.Provider {
	b.Helper()
	p, err := postgres.Open(ctx, url, o)
	must(b, err)
	b.Cleanup(func() { _ = p.Close() })
	return p
}

func connect(b *testing.B, url string) *pgx.Conn {
	b.Helper()
	c, err := pgx.Connect(ctx, url)
	must(b, err)
	b.Cleanup(func() { _ = c.Close(ctx) })
	return c
}

func select1(b *testing.B, c *pgx.Conn) {
	var one int
	must(b, c.QueryRow(ctx, "select 1").Scan(&one))
}

// median measures f, in turn with others, so that a noisy machine is noisy to all.
func median(n int, fs ...func()) []time.Duration {
	took := make([][]time.Duration, len(fs))
	for range n {
		for i, f := range fs {
			start := time.Now()
			f()
			took[i] = append(took[i], time.Since(start))
		}
	}
	var m []time.Duration
	for _, t := range took {
		slices.Sort(t)
		m = append(m, t[len(t)/2])
	}
	return m
}

// BenchmarkRoundTrip: an acquire, and a release, against a prepared SELECT 1, at
// a round trip of 2 ms. Goal: at most 1.2 each.
func BenchmarkRoundTrip(b *testing.B) {
	pg := server(b)
	proxy := faultproxy.New(b, pg.Addr())
	proxy.SetRoundTrip(2 * time.Millisecond)
	u, err := url.Parse(pg.URL())
	must(b, err)
	u.Host = proxy.Addr()
	p, c := open(b, u.String(), nil), connect(b, u.String())
	l := p.NewLock("a")
	var h core.Handle
	var m []time.Duration
	for b.Loop() {
		m = median(200, func() { select1(b, c) },
			func() { h, err = l.Acquire(ctx); must(b, err) },
			func() { must(b, h.Release(ctx)) })
	}
	b.ReportMetric(float64(m[1])/float64(m[0]), "acquire/SELECT1")
	b.ReportMetric(float64(m[2])/float64(m[0]), "release/SELECT1")
	b.ReportMetric(float64(m[0])/1e6, "SELECT1-ms")
}

// rate returns how often a second n goroutines together do f, in d.
func rate(n int, d time.Duration, f func(g int)) float64 {
	var done atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for g := range n {
		all.Go(func() {
			for time.Since(start) < d {
				f(g)
				done.Add(1)
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / time.Since(start).Seconds()
}

// BenchmarkThroughput: pairs of acquire and release of distinct names by 256
// goroutines on one connection, against the same by hand on a pool of 256, and
// against a single connection's SELECT 1. A pair is two operations, each of them a
// statement and a round trip when written by hand, as a SELECT 1 is one: ops is what
// compares like with like, pairs is what a user counts. Goals: at least 10 times the
// pairs of the pool, and 8 times SELECT 1.
func BenchmarkThroughput(b *testing.B) {
	pg := server(b)
	p, c := open(b, pg.URL(), nil), connect(b, pg.URL())
	config, err := pgxpool.ParseConfig(pg.URL())
	must(b, err)
	config.MaxConns, config.MinConns = 256, 256
	pool, err := pgxpool.NewWithConfig(ctx, config)
	must(b, err)
	defer pool.Close()
	const n, d = 256, 2 * time.Second
	var locks [n]core.Lock
	for g := range locks {
		locks[g] = p.NewLock(fmt.Sprint(g))
	}
	byHand := func(g int) {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Release()
		var ok bool
		if err := conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", g).Scan(&ok); err != nil || !ok {
			b.Error(ok, err)
		}
		if err := conn.QueryRow(ctx, "select pg_advisory_unlock($1)", g).Scan(&ok); err != nil || !ok {
			b.Error(ok, err)
		}
	}
	pair := func(g int) {
		h, err := locks[g].Acquire(ctx)
		if err == nil {
			err = h.Release(ctx)
		}
		if err != nil {
			b.Error(err)
		}
	}
	rate(n, time.Second, byHand) // opens the connections
	rate(n, time.Second, pair)
	var hand, own, one float64
	for b.Loop() {
		one = rate(1, d, func(int) { select1(b, c) })
		own = rate(n, d, pair)
		hand = rate(n, d, byHand)
	}
	b.ReportMetric(own/hand, "x-pool")
	b.ReportMetric(own/one, "pairs-x-SELECT1")
	b.ReportMetric(2*own/one, "ops-x-SELECT1")
	b.ReportMetric(own, "pairs/s")
	b.ReportMetric(one, "SELECT1/s")
	b.ReportMetric(hand, "pool-pairs/s")
}

// BenchmarkHandOver: from the call of Release in one provider to the return of
// Acquire in another, against SELECT 1 and against the bare protocol: a
// pg_advisory_unlock on one connection, until the pg_advisory_lock that waits on
// another one has returned. Goal: at most 1.5 times SELECT 1.
func BenchmarkHandOver(b *testing.B) {
	pg := server(b)
	p, q, c := open(b, pg.URL(), nil), open(b, pg.URL(), nil), connect(b, pg.URL())
	admin := connect(b, pg.URL())
	bare := []*pgx.Conn{connect(b, pg.URL()), connect(b, pg.URL())}
	locks := []core.Lock{p.NewLock("a"), q.NewLock("a")}
	h, err := locks[0].Acquire(ctx)
	must(b, err)
	_, err = bare[0].Exec(ctx, "select pg_advisory_lock($1)", 1)
	must(b, err)
	// pass waits for wait to wait at the server, and returns how long it takes from
	// the call of release to its return.
	pass := func(wait, release func() error) time.Duration {
		got := make(chan time.Time)
		go func() {
			if err := wait(); err != nil {
				b.Error(err)
			}
			got <- time.Now()
		}()
		for n := 0; n == 0; {
			must(b, admin.QueryRow(ctx, "select count(*) from pg_locks where locktype='advisory' and not granted").Scan(&n))
		}
		start := time.Now()
		must(b, release())
		return (<-got).Sub(start)
	}
	var handed, by, one []time.Duration
	for b.Loop() {
		for i := range 100 {
			var next core.Handle
			handed = append(handed, pass(
				func() (err error) { next, err = locks[(i+1)%2].Acquire(ctx); return err },
				func() error { return h.Release(ctx) }))
			h = next
			by = append(by, pass(
				func() error { _, err := bare[(i+1)%2].Exec(ctx, "select pg_advisory_lock($1)", 1); return err },
				func() error { _, err := bare[i%2].Exec(ctx, "select pg_advisory_unlock($1)", 1); return err }))
			start := time.Now()
			select1(b, c)
			one = append(one, time.Since(start))
		}
	}
	must(b, h.Release(ctx))
	for _, took := range [][]time.Duration{handed, by, one} {
		slices.Sort(took)
	}
	half := len(one) / 2
	b.ReportMetric(float64(handed[half])/float64(one[half]), "hand-over/SELECT1")
	b.ReportMetric(float64(handed[half])/float64(by[half]), "hand-over/bare")
	b.ReportMetric(float64(handed[half])/1e3, "hand-over-us")
	b.ReportMetric(float64(by[half])/1e3, "bare-us")
	b.ReportMetric(float64(one[half])/1e3, "SELECT1-us")
}

// BenchmarkFairness: 16 providers compete for one lock. Goal: the one with the
// most acquisitions has at most 1.2 times those of the one with the fewest.
func BenchmarkFairness(b *testing.B) {
	pg := server(b)
	var locks [16]core.Lock
	for i := range locks {
		locks[i] = open(b, pg.URL(), nil).NewLock("a")
	}
	var counts [16]atomic.Int64
	for b.Loop() {
		rate(len(locks), 3*time.Second, func(g int) {
			h, err := locks[g].Acquire(ctx)
			if err == nil {
				counts[g].Add(1)
				err = h.Release(ctx)
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	least, most, all := counts[0].Load(), counts[0].Load(), int64(0)
	for i := range counts {
		n := counts[i].Load()
		least, most, all = min(least, n), max(most, n), all+n
	}
	b.ReportMetric(float64(most)/float64(least), "most/least")
	b.ReportMetric(float64(all)/16, "acquisitions-each")
}

// BenchmarkHeld: what 5000 locks cost this process, and somebody else's SELECT 1.
func BenchmarkHeld(b *testing.B) {
	pg := server(b)
	p, c := open(b, pg.URL(), &postgres.Options{MaxHolds: 6000}), connect(b, pg.URL())
	var before, after runtime.MemStats
	var idle, busy time.Duration
	const n = 5000
	for b.Loop() {
		idle = median(500, func() { select1(b, c) })[0]
		runtime.GC()
		runtime.ReadMemStats(&before)
		held := make([]core.Handle, n)
		var all sync.WaitGroup
		for g := range 50 {
			all.Go(func() {
				for i := g; i < n; i += 50 {
					h, err := p.NewLock(fmt.Sprint(i)).Acquire(ctx)
					if err != nil {
						b.Error(err)
					}
					held[i] = h
				}
			})
		}
		all.Wait()
		runtime.GC()
		runtime.ReadMemStats(&after)
		busy = median(500, func() { select1(b, c) })[0]
		for _, h := range held {
			all.Go(func() { _ = h.Release(ctx) })
		}
		all.Wait()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/lock")
	b.ReportMetric(float64(busy)/float64(idle), "SELECT1-beside/alone")
}
