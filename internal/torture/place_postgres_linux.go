package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
)

// postgres is one server, which keeps a session for as long as it lives. That a
// session has died is news that travels: hence the bound.
func (p *place) postgres(ctx context.Context) error {
	clocks, err := p.clocks(1)
	if err != nil {
		return err
	}
	// A kill must not take back what was committed: tokens come from a sequence.
	srv, err := testenv.StartPostgres(ctx, testenv.PostgresConfig{Settings: map[string]string{
		"max_connections": "300", "synchronous_commit": "on",
	}, Env: clocks[0].Environ()})
	if err != nil {
		return err
	}
	p.close = append(p.close, srv.Close)
	proxy, err := p.proxy(srv.Addr())
	if err != nil {
		return err
	}
	u, err := url.Parse(srv.URL())
	if err != nil {
		return err
	}
	u.Host = proxy.Addr()
	p.url, p.bound, p.patience = u.String(), 500*time.Millisecond, 600*time.Millisecond
	conn := func() (*pgx.Conn, error) { return pgx.Connect(context.Background(), srv.URL()) }
	run := func(sql string) error {
		c, err := conn()
		if err != nil {
			return err
		}
		defer c.Close(context.Background())
		done, err := c.Exec(context.Background(), sql)
		if err == nil && done.RowsAffected() == 0 {
			err = errNobody
		}
		return err
	}
	restart := func(how testenv.Shutdown) func() error {
		return func() error { return srv.Restart(context.Background(), how) }
	}
	p.harms = harms{
		{harmKind{session, "of a holder"}, 4, func() error { return run(killHolder) }},
		{harmKind{session, "any"}, 1, func() error { return run(killAny) }},
		{harmKind{cut, "all connections"}, 3, func() error { proxy.Cut(); return nil }},
		{harmKind{network, "slow"}, 1, slow(proxy)},
		{harmKind{stopped, "for a while"}, 1, pause(&srv.Server, 300*time.Millisecond)},
		{harmKind{clock, "for a while"}, 1, func() error { return step(clocks[0], time.Hour, rand.N(500*time.Millisecond), func() {}) }},
		{harmKind{server, "restarted at once"}, 2, restart(testenv.Immediate)},
		{harmKind{server, "restarted"}, 1, restart(testenv.Fast)},
		{harmKind{server, "killed and started"}, 2, func() error { return revive(&srv.Server) }},
	}
	p.healed = func(ctx context.Context) error {
		c, err := conn()
		if err != nil {
			return err
		}
		return c.Close(ctx)
	}
	p.left = func(ctx context.Context) ([]string, error) {
		c, err := conn()
		if err != nil {
			return nil, err
		}
		defer c.Close(ctx)
		return settle(ctx, 5*time.Second, func() ([]string, error) {
			rows, err := c.Query(ctx, leftOvers)
			if err != nil {
				return nil, err
			}
			return pgx.CollectRows(rows, pgx.RowTo[string])
		})
	}
	return nil
}

// killHolder ends a session that has a lock, and killAny one of any worker.
const (
	killHolder = `select pg_terminate_backend(pid) from (
		select distinct pid from pg_locks where locktype = 'advisory' and granted and pid <> pg_backend_pid()
	) as holders order by random() limit 1`
	killAny = `select pg_terminate_backend(pid) from pg_stat_activity
		where backend_type = 'client backend' and pid <> pg_backend_pid() order by random() limit 1`
	leftOvers = `select 'lock ' || classid || ' ' || objid || ' ' || objsubid || ' of ' || pid from pg_locks where locktype = 'advisory'
		union all
		select 'session of ' || application_name || ': ' || coalesce(query, '') from pg_stat_activity
		where backend_type = 'client backend' and pid <> pg_backend_pid()`
)

// proxy puts a proxy before a srv.
func (p *place) proxy(addr string) (*faultproxy.Proxy, error) {
	proxy, err := faultproxy.Start(addr)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p.close = append(p.close, func() error { proxy.Close(); return nil })
	return proxy, nil
}

// revive kills all processes of a server and starts it.
func revive(s *testenv.Server) error {
	if err := s.Kill(); err != nil {
		return err
	}
	return s.Start(context.Background())
}

// slow is a network that is slow for a while.
func slow(proxy *faultproxy.Proxy) func() error {
	return func() error {
		proxy.SetRoundTrip(10 * time.Millisecond)
		time.Sleep(200 * time.Millisecond)
		proxy.SetRoundTrip(0)
		return nil
	}
}

// pause stops a server, which hears nothing meanwhile, and forgets nothing.
func pause(s *testenv.Server, d time.Duration) func() error {
	return func() error {
		if err := s.Pause(); err != nil {
			return err
		}
		time.Sleep(d)
		return s.Continue()
	}
}
