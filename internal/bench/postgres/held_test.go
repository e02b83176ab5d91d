//go:build unix

package postgres_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/postgres"
)

// BenchmarkHeld: what 5000 locks cost this process, and somebody else's SELECT 1.
// Rounds with the locks held and rounds without take turns, and the figure is the
// median of the rounds' ratios: what else the machine does is in both.
func BenchmarkHeld(b *testing.B) {
	pg := server(b)
	p, c := open(b, pg.URL(), &postgres.Options{MaxHolds: 6000}), connect(b, pg.URL())
	const n, rounds, each = 5000, 7, 400
	one := func() float64 { return float64(median(each, func() { select1(b, c) })[0]) }
	one() // Both sides are warm.
	var bytes, ratios, connections []float64
	for b.Loop() {
		for range rounds {
			alone := one()
			before := heap()
			held := holdMany(b, p, n)
			bytes = append(bytes, float64(heap()-before)/n)
			var sessions int
			must(b, c.QueryRow(ctx, "select count(*) from pg_stat_activity where application_name like 'distlock %'").Scan(&sessions))
			connections = append(connections, float64(sessions))
			beside := one()
			releaseMany(b, held)
			ratios = append(ratios, 2*beside/(alone+one()))
		}
	}
	b.ReportMetric(middle(bytes), "B/lock")
	b.ReportMetric(middle(ratios), "SELECT1-beside/alone")
	b.ReportMetric(middle(connections), "connections")
}

// heap returns how many bytes are reachable.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// holdMany acquires n locks, 50 at a time.
func holdMany(b *testing.B, p *postgres.Provider, n int) []core.Handle {
	held := make([]core.Handle, n)
	by50(b, n, func(i int) (err error) {
		held[i], err = p.NewLock(fmt.Sprint(i)).Acquire(ctx)
		return err
	})
	return held
}

// by50 does f for 0 to n-1, 50 at a time.
func by50(b *testing.B, n int, f func(i int) error) {
	var all sync.WaitGroup
	for g := range 50 {
		all.Go(func() {
			for i := g; i < n; i += 50 {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

func releaseMany(b *testing.B, held []core.Handle) {
	by50(b, len(held), func(i int) error { return held[i].Release(ctx) })
	// The sessions are idle again before anything else is measured.
	time.Sleep(10 * time.Millisecond)
}
