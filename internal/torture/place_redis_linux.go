package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
)

const (
	redisLease  = 400 * time.Millisecond
	redisClaim  = 200 * time.Millisecond
	redisParams = "lease=400ms&claim=200ms&wait_lease=1s&timeout=1s"
)

// redis is one server, which keeps what it has been told over a kill.
func (p *place) redis(ctx context.Context) error {
	clocks, err := p.clocks(1)
	if err != nil {
		return err
	}
	srv, err := testenv.StartRedis(ctx, testenv.RedisConfig{Durable: true, Env: clocks[0].Environ()})
	if err != nil {
		return err
	}
	p.close = append(p.close, srv.Close)
	proxy, err := p.proxy(srv.Addr())
	if err != nil {
		return err
	}
	p.url, p.lease = "redis://"+proxy.Addr()+"/?"+redisParams, redisLease
	p.patience = redisLease + redisClaim
	p.harms = harms{
		{harmKind{cut, "all connections"}, 3, func() error { proxy.Cut(); return nil }},
		{harmKind{cut, "the subscriptions"}, 1, tell(srv, "CLIENT", "KILL", "TYPE", "pubsub")},
		{harmKind{network, "slow"}, 1, slow(proxy)},
		{harmKind{network, "silent past the lease"}, 1, silence(proxy)},
		{harmKind{network, "losing replies"}, 1, lose(proxy, faultproxy.Down)},
		{harmKind{network, "losing requests"}, 1, lose(proxy, faultproxy.Up)},
		{harmKind{stopped, "past the lease"}, 1, pause(&srv.Server, 3*redisLease/2)},
		{harmKind{server, "killed and started"}, 3, func() error { return revive(&srv.Server) }},
		{harmKind{data, "scripts flushed"}, 1, tell(srv, "SCRIPT", "FLUSH")},
		{harmKind{disk, "of memory"}, 1, starve(srv)},
		// Leases end early when it is set ahead, and right from behind; and nobody
		// can be told before the next renewal.
		{harmKind{clock, "for a while"}, 1, func() error {
			return step(clocks[0], 10*time.Second, rand.N(redisLease), func() { p.excuse() })
		}},
	}
	p.healed = func(ctx context.Context) error { return tell(srv, "PING")() }
	p.left = func(ctx context.Context) ([]string, error) { return keysLeft(ctx, srv) }
	return nil
}

// redlock is three servers, each of which forgets all when it is killed. One is in
// trouble at a time.
func (p *place) redlock(ctx context.Context) error {
	clocks, err := p.clocks(3)
	if err != nil {
		return err
	}
	var nodes testenv.RedisNodes
	p.close = append(p.close, func() error { return nodes.Close() })
	for _, c := range clocks {
		n, err := testenv.StartRedis(ctx, testenv.RedisConfig{Env: c.Environ()})
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
	}
	proxies := make([]*faultproxy.Proxy, len(nodes))
	addrs := make([]string, len(nodes))
	for i, n := range nodes {
		if proxies[i], err = p.proxy(n.Addr()); err != nil {
			return err
		}
		addrs[i] = proxies[i].Addr()
	}
	p.url, p.lease = "redis://"+strings.Join(addrs, ",")+"/?mode=redlock&"+redisParams, redisLease
	p.patience = redisLease + redisClaim
	one := func(class, name string, often int, do func(i int) error) {
		p.harms = append(p.harms, harm{harmKind{class, name}, often, func() error { return do(rand.IntN(len(nodes))) }})
	}
	one(cut, "all connections of one", 3, func(i int) error { proxies[i].Cut(); return nil })
	one(network, "of one silent past the lease", 1, func(i int) error { return silence(proxies[i])() })
	one(network, "of one losing replies", 1, func(i int) error { return lose(proxies[i], faultproxy.Down)() })
	one(stopped, "one past the lease", 1, func(i int) error { return pause(&nodes[i].Server, 3*redisLease/2)() })
	one(server, "one killed, and started empty", 3, func(i int) error { return revive(&nodes[i].Server) })
	one(disk, "of memory on one", 1, func(i int) error { return starve(nodes[i])() })
	// By as much as clocks may differ: tokens are promised to grow over the restarts
	// of servers without their data only then. What is farther off is set in
	// internal/redlocktest.
	one(clock, "of one for longer than the lease", 1, func(i int) error {
		return step(clocks[i], redisLease/4, 3*redisLease/2, func() {})
	})
	p.healed = func(ctx context.Context) error {
		for _, n := range nodes {
			if err := tell(n, "PING")(); err != nil {
				return err
			}
		}
		return nil
	}
	p.left = func(ctx context.Context) (left []string, err error) {
		for _, n := range nodes {
			l, err := keysLeft(ctx, n)
			if err != nil {
				return nil, err
			}
			left = append(left, l...)
		}
		return left, nil
	}
	return nil
}

// silence is a network that carries nothing for up to two leases, and then all of
// it.
func silence(proxy *faultproxy.Proxy) func() error {
	return func() error {
		proxy.BlackHole()
		time.Sleep(rand.N(2 * redisLease))
		proxy.Resume(faultproxy.Up)
		proxy.Resume(faultproxy.Down)
		return nil
	}
}

// lose has one chunk in four lost on one way for a while, with its connection.
func lose(proxy *faultproxy.Proxy, way faultproxy.Direction) func() error {
	return func() error {
		proxy.SetHook(func(e faultproxy.Event) faultproxy.Action {
			if e.Direction == way && rand.IntN(4) == 0 {
				return faultproxy.Cut
			}
			return faultproxy.Forward
		})
		time.Sleep(100 * time.Millisecond)
		proxy.SetHook(nil)
		return nil
	}
}

// starve has a server refuse what needs memory, for longer than the lease.
func starve(server *testenv.Redis) func() error {
	return func() error {
		if err := tell(server, "CONFIG", "SET", "maxmemory", "1")(); err != nil {
			return err
		}
		time.Sleep(rand.N(2 * redisLease))
		return tell(server, "CONFIG", "SET", "maxmemory", "0")()
	}
}

func tell(server *testenv.Redis, words ...any) func() error {
	return func() error {
		c := server.Client()
		defer c.Close()
		return c.Do(context.Background(), words...).Err()
	}
}

// keysLeft waits until the server has nothing but what is kept on purpose, the
// registers of tokens, the guards and who the processes were, and names the rest.
func keysLeft(ctx context.Context, server *testenv.Redis) ([]string, error) {
	c := server.Client()
	defer c.Close()
	return settle(ctx, 5*time.Second, func() ([]string, error) {
		var left []string
		err := scan(ctx, c, func(key string) {
			if !strings.HasSuffix(key, ":f") && !strings.HasSuffix(key, ":guard") && !strings.Contains(key, ":i:") {
				left = append(left, fmt.Sprintf("key %s of %s, %v to live", key, server.Addr(), c.PTTL(ctx, key).Val()))
			}
		})
		return left, err
	})
}

func scan(ctx context.Context, c *goredis.Client, visit func(key string)) error {
	keys := c.Scan(ctx, 0, "*", 1000).Iterator()
	for keys.Next(ctx) {
		visit(keys.Val())
	}
	return keys.Err()
}
