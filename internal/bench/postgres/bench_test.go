//go:build unix

// Package postgres_test compares the PostgreSQL backend with the bare protocol
// and with what is usually written by hand: a pool, and one connection a lock.
// Absolute times say something about the machine only, so every benchmark
// measures its yardstick in the same run and reports the ratio.
package postgres_test

import (
	"context"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

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

// through returns the URL of a server with the proxy's address in it.
func through(b *testing.B, serverURL string, p *faultproxy.Proxy) string {
	b.Helper()
	u, err := url.Parse(serverURL)
	must(b, err)
	u.Host = p.Addr()
	return u.String()
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

// middle returns the median.
func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// BenchmarkRoundTrip: an acquire, and a release, against a prepared SELECT 1, at
// a round trip of 2 ms. Goal: at most 1.2 each.
func BenchmarkRoundTrip(b *testing.B) {
	pg := server(b)
	proxy := faultproxy.New(b, pg.Addr())
	proxy.SetRoundTrip(2 * time.Millisecond)
	url := through(b, pg.URL(), proxy)
	p, c := open(b, url, nil), connect(b, url)
	l := p.NewLock("a")
	var h core.Handle
	var err error
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
