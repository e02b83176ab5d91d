//go:build unix

package postgres_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/distlock/distlock-go/internal/bench/process"
	"github.com/distlock/distlock-go/postgres"
)

// workerVariable is set in the processes that BenchmarkFairness starts; its value is
// the URL of the server.
const workerVariable = "DISTLOCK_BENCH_WORKER"

func TestMain(m *testing.M) {
	if url := os.Getenv(workerVariable); url != "" {
		process.Main(func() (process.Work, error) { return competitor(url) })
		return
	}
	os.Exit(m.Run())
}

// A competitor acquires and releases the lock, and returns how often.
func competitor(url string) (process.Work, error) {
	p, err := postgres.Open(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	l := p.NewLock("a")
	return func(working context.Context) (any, error) {
		defer func() { _ = p.Close() }()
		for n := 0; ; n++ {
			h, err := l.Acquire(working)
			if err == nil {
				err = h.Release(ctx)
			}
			switch {
			case working.Err() != nil:
				return n, nil
			case err != nil:
				return nil, err
			}
		}
	}, nil
}

// BenchmarkFairness: 16 processes compete for one lock. Goal: the one with the
// most acquisitions has at most 1.2 times those of the one with the fewest.
func BenchmarkFairness(b *testing.B) {
	pg := server(b)
	var counts [16]int
	for b.Loop() {
		var all [len(counts)]*process.Process
		for i := range all {
			all[i] = process.Start(b, workerVariable, pg.URL())
		}
		for _, p := range all {
			p.Begin(b)
		}
		time.Sleep(3 * time.Second)
		for _, p := range all {
			p.Stop(b)
		}
		for i, p := range all {
			var n int
			p.Result(b, &n)
			counts[i] += n
		}
	}
	all := 0
	for _, n := range counts {
		all += n
	}
	b.ReportMetric(float64(slices.Max(counts[:]))/float64(slices.Min(counts[:])), "most/least")
	b.ReportMetric(float64(all)/float64(len(counts)), "acquisitions-each")
}
