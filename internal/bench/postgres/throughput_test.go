//go:build unix

package postgres_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distlock/distlock-go/core"
)

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
