//go:build unix

package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/postgres"
)

// Without contention, an acquire and a release of each primitive are one round
// trip each, the fencing token and the check of the session included.
func TestRoundTrips(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	proxy := faultproxy.New(t, pg.Addr())
	p := open(t, through(t, pg.URL(), proxy), &postgres.Options{PingInterval: time.Minute, PingTimeout: time.Minute, ServerTimeout: time.Hour})
	for name, l := range map[string]core.Lock{
		"lock": p.NewLock("a"), "reader": core.Reader(p.NewRWLock("a")), "writer": core.Writer(p.NewRWLock("a")), "semaphore": p.NewSemaphore("a", 3),
	} {
		release(t, acquire(t, l)) // The first one prepares the statement.
		before := proxy.Turns()
		h := acquire(t, l)
		if n := proxy.Turns() - before; n != 1 {
			t.Errorf("%s: an acquire takes %d round trips", name, n)
		}
		before = proxy.Turns()
		release(t, h)
		if n := proxy.Turns() - before; n != 1 {
			t.Errorf("%s: a release takes %d round trips", name, n)
		}
		if h.Token() == 0 {
			t.Errorf("%s: there is no token", name)
		}
	}
}

// A lock for a transaction is one round trip, too.
func TestTxRoundTrips(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	proxy := faultproxy.New(t, pg.Addr())
	c := connect(t, through(t, pg.URL(), proxy))
	tx, err := c.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	before := proxy.Turns()
	if err := postgres.AcquireTx(context.Background(), tx, "a"); err != nil {
		t.Fatal(err)
	}
	if n := proxy.Turns() - before; n != 1 {
		t.Errorf("AcquireTx takes %d round trips", n)
	}
}

// 5000 locks need at most 12 connections, and disturb nobody else.
func TestManyHolds(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{Settings: map[string]string{"max_locks_per_transaction": "256"}})
	c := connect(t, pg.URL())
	p := open(t, pg.URL(), &postgres.Options{MaxHolds: 6000})
	held := make([]core.Handle, 5000)
	var all sync.WaitGroup
	for g := range 50 {
		all.Go(func() {
			for i := g; i < len(held); i += 50 {
				held[i] = acquire(t, p.NewLock(fmt.Sprint(i)))
			}
		})
	}
	all.Wait()
	n := query[int](t, c, "select count(*) from pg_stat_activity where application_name like 'distlock %'")
	t.Logf("%d locks on %d connections", len(held), n)
	if n > 12 {
		t.Errorf("%d connections", n)
	}
	for _, h := range held {
		all.Go(func() { release(t, h) })
	}
	all.Wait()
	if n := locks(t, c); n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

// A hundred waiters on one name cost less than a statement a second, and do not
// keep VACUUM or CREATE INDEX CONCURRENTLY from their work.
func TestIdleWaiters(t *testing.T) {
	waits(t)
	for name, l := range map[string]func(core.Provider) core.Lock{
		"lock":      func(p core.Provider) core.Lock { return p.NewLock("a") },
		"writer":    func(p core.Provider) core.Lock { return core.Writer(p.NewRWLock("a")) },
		"semaphore": func(p core.Provider) core.Lock { return p.NewSemaphore("a", 1) },
	} {
		pg := server(t, testenv.PostgresConfig{})
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := connect(t, pg.URL())
			p, q := open(t, pg.URL(), nil), open(t, pg.URL(), nil)
			h := acquire(t, l(p))
			ctx, cancel := context.WithCancel(context.Background())
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if _, err := l(q).Acquire(ctx); !errors.Is(err, context.Canceled) {
						t.Errorf("a waiter: %v", err)
					}
				})
			}
			statements := func() int {
				exec(t, c, "select pg_stat_clear_snapshot()")
				return query[int](t, c, "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()")
			}
			exec(t, c, "create table if not exists x as select generate_series(1, 1000) as a")
			// A session that waits tells of its set-up when it next comes to rest, so the
			// first time need not be the one that counts.
			rate := math.Inf(1)
			for range 5 {
				before, start := statements(), time.Now()
				time.Sleep(10 * time.Second)
				if rate = float64(statements()-before) / time.Since(start).Seconds(); rate <= 1 {
					break
				}
			}
			t.Logf("%.2f transactions a second, pings and this test's own included", rate)
			if rate > 1 {
				t.Errorf("%.2f transactions a second", rate)
			}
			start := time.Now()
			exec(t, c, "create index concurrently on x (a)")
			t.Logf("CREATE INDEX CONCURRENTLY took %v", time.Since(start))
			start = time.Now()
			exec(t, c, "delete from x where a % 10 = 0")
			eventually(t, "VACUUM removes dead rows", func() bool {
				exec(t, c, "vacuum x")
				exec(t, c, "select pg_stat_clear_snapshot()")
				return query[int](t, c, "select n_dead_tup from pg_stat_user_tables where relname = 'x'") == 0
			})
			t.Logf("VACUUM could do its work after %v", time.Since(start))
			exec(t, c, "drop table x")
			cancel()
			all.Wait()
			release(t, h)
			eventually(t, "no lock is left", func() bool { return locks(t, c) == 0 })
		})
	}
}

// Ten thousand acquires that are cancelled at random, with slices so short that
// the server's timeouts race with its grants, leave no lock and lose no wake-up
// (F75).
func TestStorm(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	var providers []*postgres.Provider
	for i := range 6 {
		providers = append(providers, open(t, pg.URL(), &postgres.Options{WaitSlice: time.Duration(1+i%5) * time.Millisecond, MaxWaiters: 1 + i%3}))
	}
	var inside [4]atomic.Int32
	var acquired, given atomic.Int32
	var all sync.WaitGroup
	for g := range 50 {
		all.Go(func() {
			p := providers[g%len(providers)]
			for range 200 {
				n := rand.N(4)
				name := fmt.Sprint(n)
				l, most := p.NewLock(name), int32(1)
				switch n {
				case 1:
					l = core.Writer(p.NewRWLock(name))
				case 2:
					l, most = p.NewSemaphore(name, 3), 3
				}
				ctx, cancel := context.WithTimeout(context.Background(), rand.N(30*time.Millisecond))
				h, err := l.Acquire(ctx)
				cancel()
				if err != nil {
					given.Add(1)
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("an acquire: %v", err)
					}
					continue
				}
				acquired.Add(1)
				if k := inside[n].Add(1); k > most {
					t.Errorf("%d are inside %d", k, n)
				}
				inside[n].Add(-1)
				if err := h.Release(context.Background()); err != nil {
					t.Errorf("a release: %v", err)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d acquired, %d cancelled", acquired.Load(), given.Load())
	eventually(t, "no lock is left", func() bool { return locks(t, c) == 0 })
	for _, p := range providers { // Every one can still get every lock.
		for n := range 4 {
			release(t, acquire(t, p.NewLock(fmt.Sprint(n))))
			release(t, acquire(t, core.Writer(p.NewRWLock(fmt.Sprint(n)))))
			release(t, acquire(t, p.NewSemaphore(fmt.Sprint(n), 3)))
		}
	}
}

// More contended names than connections to wait on: notifications serve the rest.
func TestOverflow(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	p, q := open(t, pg.URL(), nil), open(t, pg.URL(), &postgres.Options{MaxWaiters: 2})
	const names = 30
	var held []core.Handle
	got := make(chan core.Handle, names)
	for i := range names {
		held = append(held, acquire(t, p.NewLock(fmt.Sprint(i))))
	}
	for i := range names {
		go func() {
			h, err := q.NewLock(fmt.Sprint(i)).Acquire(context.Background())
			if err != nil {
				t.Error(err)
			}
			got <- h
		}()
	}
	eventually(t, "all others show their flags, and the common one", func() bool {
		return query[int](t, c, "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock'") == names-2+1
	})
	if n := query[int](t, c, "select count(*) from pg_stat_activity where application_name like 'distlock %'"); n > 4 {
		t.Errorf("%d connections", n)
	}
	// Each release is followed by its waiter. By notification that takes a
	// millisecond or so, on a busy machine a hundred; by the backstop alone, whose
	// pauses have grown to a second, all of them would take half a minute.
	start := time.Now()
	for _, h := range held {
		release(t, h)
		w := <-got
		if w == nil {
			t.FailNow()
		}
		defer release(t, w)
	}
	t.Logf("%d wake-ups took %v", names, time.Since(start))
	if took := time.Since(start); took > names*time.Second/3 {
		t.Errorf("%d wake-ups took %v", names, took)
	}
}
