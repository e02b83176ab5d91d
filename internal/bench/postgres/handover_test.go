//go:build unix

package postgres_test

import (
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
)

// BenchmarkHandOver: from the call of Release in one provider to the return of
// Acquire in another, against SELECT 1 and against the bare protocol: a
// pg_advisory_unlock on one connection, until the pg_advisory_lock that waits on
// another one has returned. Goal: at most 1.5 times SELECT 1. It is judged at a
// round trip of 2 ms, as between machines; on one machine, where the network costs
// nothing, what is seen is how long two server processes and two clients take to
// wake each other, which the bare protocol does not do in 1.5 times SELECT 1 either.
func BenchmarkHandOver(b *testing.B) {
	pg := server(b)
	b.Run("local", func(b *testing.B) { handOver(b, pg.URL(), pg.URL()) })
	b.Run("2ms", func(b *testing.B) {
		proxy := faultproxy.New(b, pg.Addr())
		proxy.SetRoundTrip(2 * time.Millisecond)
		handOver(b, through(b, pg.URL(), proxy), pg.URL())
	})
}

func handOver(b *testing.B, url, direct string) {
	p, q, c, admin := open(b, url, nil), open(b, url, nil), connect(b, url), connect(b, direct)
	locks := []core.Lock{p.NewLock("a"), q.NewLock("a")}
	bare := []*pgx.Conn{connect(b, url), connect(b, url)}
	var held core.Handle
	lock := func(i int) (err error) { held, err = locks[i].Acquire(ctx); return err }
	bareLock := func(i int) error { _, err := bare[i].Exec(ctx, "select pg_advisory_lock($1)", 1); return err }
	bareUnlock := func(i int) error { _, err := bare[i].Exec(ctx, "select pg_advisory_unlock($1)", 1); return err }
	must(b, lock(0))
	must(b, bareLock(0))

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
		for i := range 200 {
			h := held
			handed = append(handed, pass(
				func() error { return lock((i + 1) % 2) },
				func() error { return h.Release(ctx) }))
			by = append(by, pass(
				func() error { return bareLock((i + 1) % 2) },
				func() error { return bareUnlock(i % 2) }))
			start := time.Now()
			select1(b, c)
			one = append(one, time.Since(start))
		}
	}
	must(b, held.Release(ctx))
	must(b, bareUnlock(0))
	for _, took := range [][]time.Duration{handed, by, one} {
		slices.Sort(took)
	}
	half := len(one) / 2
	b.ReportMetric(float64(handed[half])/float64(one[half]), "hand-over/SELECT1")
	b.ReportMetric(float64(by[half])/float64(one[half]), "bare/SELECT1")
	b.ReportMetric(float64(handed[half])/float64(by[half]), "hand-over/bare")
	b.ReportMetric(float64(handed[half])/1e3, "hand-over-us")
	b.ReportMetric(float64(by[half])/1e3, "bare-us")
	b.ReportMetric(float64(one[half])/1e3, "SELECT1-us")
}
