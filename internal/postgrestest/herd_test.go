//go:build unix

package postgrestest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/postgres"
)

// A thousand waiters of four processes on one name, and one release: exactly one is let
// in, at the cost of some statements. Then all of them get in, one after the other,
// those of a process in the order in which they came, and a hand-over costs the server
// no more statements than when few wait.
func TestOneReleaseForAThousandWaiters(t *testing.T) {
	const processes, each = 4, 250
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	h := acquire(t, open(t, pg.URL(), &postgres.Options{PingInterval: 500 * time.Millisecond}).NewLock("a"))
	type entrance struct{ process, number int }
	entered := make(chan entrance, processes*each)
	goOn := make(chan struct{})
	var inside atomic.Int32
	var all sync.WaitGroup
	for i := range processes {
		queued := make(chan struct{}, each)
		p := open(t, pg.URL(), &postgres.Options{PingInterval: 500 * time.Millisecond, Observer: core.ObserverFunc(func(_ context.Context, e core.Event) {
			if e.Type == core.EventWaiting {
				queued <- struct{}{}
			}
		})}).NewLock("a")
		for n := range each {
			all.Go(func() {
				h, err := p.Acquire(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					t.Error("two are inside")
				}
				entered <- entrance{i, n}
				<-goOn
				inside.Add(-1)
				if err := h.Release(context.Background()); err != nil {
					t.Error(err)
				}
			})
			<-queued
		}
	}
	eventually(t, "each process waits at the server", func() bool { return waitingFor(t, c) == processes })
	// A session tells of its transactions when it comes to rest after a second, as it
	// does after a ping.
	transactions := func() int {
		time.Sleep(2500 * time.Millisecond)
		exec(t, c, "select pg_stat_clear_snapshot()")
		return query[int](t, c, "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()")
	}
	before := transactions()
	release(t, h)
	first := <-entered
	one := transactions()
	if n := len(entered); n != 0 {
		t.Errorf("one release has let %d in", n+1)
	}
	if one-before > 200 {
		t.Errorf("one release has cost %d transactions", one-before)
	}
	start := time.Now()
	close(goOn)
	all.Wait()
	took := time.Since(start)
	rest := 0
	eventually(t, "the server has counted the hand-overs", func() bool {
		rest = transactions() - one
		return rest >= processes*each
	})
	t.Logf("one release: %d transactions, pings and this test's own included; the other %d: %d, in %v", one-before, processes*each-1, rest, took)
	if rest > 4*processes*each {
		t.Errorf("%d hand-overs have cost %d transactions", processes*each-1, rest)
	}
	next := make([]int, processes)
	close(entered)
	check := func(e entrance) {
		if e.number != next[e.process] {
			t.Errorf("process %d: number %d enters, want %d", e.process, e.number, next[e.process])
		}
		next[e.process]++
	}
	check(first)
	for e := range entered {
		check(e)
	}
	eventually(t, "no lock is left", func() bool { return locks(t, c) == 0 })
}
