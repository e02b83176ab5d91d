//go:build unix

package postgres_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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

// callers is how many goroutines work at a time in BenchmarkThroughput.
const callers = 256

// BenchmarkThroughput: pairs of acquire and release of distinct names by 256
// goroutines on one connection, against the same by hand on a pool of 256, and
// against a single connection's SELECT 1. A pair is two operations, each of them a
// statement and a round trip when written by hand, as a SELECT 1 is one: ops is what
// compares like with like, pairs is what a user counts. Goals: at least 10 times the
// pairs of the pool, and 8 times SELECT 1.
//
// limit-x-pool is what could be had at most: a pipeline of the same shape, in which
// an operation is only passed on, one of an array in a statement that counts it,
// and answered. There is no lock, no token, no handle and nobody who waits.
func BenchmarkThroughput(b *testing.B) {
	pg := server(b)
	p, c := open(b, pg.URL(), nil), connect(b, pg.URL())
	byHand := poolPair(b, pg.URL())
	line := newPipeline(b, pg.URL())
	var locks [callers]core.Lock
	for g := range locks {
		locks[g] = p.NewLock(fmt.Sprint(g))
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
	empty := func(g int) {
		line.do(int64(g))
		line.do(int64(g))
	}
	const d = time.Second
	rate(callers, d, byHand) // opens the connections
	rate(callers, d, pair)
	rate(callers, d, empty)
	var hand, own, one, limit []float64
	for b.Loop() {
		for range 5 { // in turn, so that a noisy machine is noisy to all
			one = append(one, rate(1, d, func(int) { select1(b, c) }))
			own = append(own, rate(callers, d, pair))
			hand = append(hand, rate(callers, d, byHand))
			limit = append(limit, rate(callers, d, empty))
		}
	}
	b.ReportMetric(middle(own)/middle(hand), "x-pool")
	b.ReportMetric(middle(limit)/middle(hand), "limit-x-pool")
	b.ReportMetric(middle(own)/middle(one), "pairs-x-SELECT1")
	b.ReportMetric(2*middle(own)/middle(one), "ops-x-SELECT1")
	b.ReportMetric(middle(own), "pairs/s")
	b.ReportMetric(middle(one), "SELECT1/s")
	b.ReportMetric(middle(hand), "pool-pairs/s")
}

// poolPair returns a pair as it is written by hand, on a pool with a connection for
// each caller.
func poolPair(b *testing.B, url string) func(g int) {
	config, err := pgxpool.ParseConfig(url)
	must(b, err)
	config.MaxConns, config.MinConns = callers, callers
	pool, err := pgxpool.NewWithConfig(ctx, config)
	must(b, err)
	b.Cleanup(pool.Close)
	do := func(conn *pgxpool.Conn, sql string, g int) {
		var ok bool
		if err := conn.QueryRow(ctx, sql, g).Scan(&ok); err != nil || !ok {
			b.Error(ok, err)
		}
	}
	return func(g int) {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Release()
		do(conn, "select pg_try_advisory_lock($1)", g)
		do(conn, "select pg_advisory_unlock($1)", g)
	}
}

// A pipeline combines what callers ask for at the same time into one statement.
type pipeline struct {
	conn *pgx.Conn
	jobs chan job
}

type job struct {
	n    int64
	done chan struct{}
}

func newPipeline(b *testing.B, url string) *pipeline {
	p := &pipeline{conn: connect(b, url), jobs: make(chan job, callers)}
	var work sync.WaitGroup
	work.Go(func() { p.run(b) })
	b.Cleanup(func() {
		close(p.jobs)
		work.Wait()
	})
	return p
}

// run takes whatever is there and answers it.
func (p *pipeline) run(b *testing.B) {
	batch, values := make([]job, 0, callers), make([]int64, 0, callers)
	for first := range p.jobs {
		batch, values = append(batch[:0], first), append(values[:0], first.n)
		for len(p.jobs) > 0 && len(batch) < callers {
			j := <-p.jobs
			batch, values = append(batch, j), append(values, j.n)
		}
		var n int
		err := p.conn.QueryRow(ctx, "select count(k) from (select unnest($1::int8[]) k offset 0) x", values).Scan(&n)
		if err != nil || n != len(batch) {
			b.Error(n, err)
		}
		for _, j := range batch {
			j.done <- struct{}{}
		}
	}
}

func (p *pipeline) do(n int64) {
	j := job{n, make(chan struct{}, 1)}
	p.jobs <- j
	<-j.done
}
