package redis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/redis"
)

// TestNewRedLock uses clients as a user makes them, with the driver's defaults: it
// resends what failed, and a deadline does not reach its sockets.
func TestNewRedLock(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			opts := testOptions(fmt.Sprintf("clients%d", time.Now().UnixNano()))
			var clients []goredis.UniversalClient
			for _, addr := range redlockServers(t, n, 0) {
				c := goredis.NewClient(&goredis.Options{Addr: addr})
				defer c.Close()
				clients = append(clients, c)
			}
			p, err := redis.NewRedLock(clients, &opts)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Bootstrap(t.Context()); err != nil {
				t.Fatal(err)
			}
			for name, lock := range map[string]core.Lock{
				"lock": p.NewLock("a"), "writer": core.Writer(p.NewRWLock("a")), "permit": p.NewSemaphore("a", 1),
			} {
				h, err := lock.Acquire(t.Context())
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if _, err := lock.TryAcquire(t.Context()); !errors.Is(err, core.ErrNotAcquired) {
					t.Errorf("%s, held already: %v; it must match ErrNotAcquired", name, err)
				}
				if err := h.Release(t.Context()); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err := p.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			for _, c := range clients {
				if err := c.Ping(t.Context()).Err(); err != nil {
					t.Errorf("after Close the caller's client is of no use: %v", err)
				}
				for _, key := range c.Keys(t.Context(), opts.Prefix+":*").Val() {
					c.Del(t.Context(), key)
				}
			}
		})
	}
}

// A minority that refuses connections costs nothing with the driver's defaults,
// either: it dials five times, a tenth of a second apart, and nobody waits for it.
func TestNewRedLockWithADeadClient(t *testing.T) {
	opts := testOptions(fmt.Sprintf("deadclient%d", time.Now().UnixNano()))
	up := redlockServers(t, 2, 0)
	bootstrap(t, up, opts)
	var clients []goredis.UniversalClient
	for _, addr := range append(up, dead) {
		c := goredis.NewClient(&goredis.Options{Addr: addr})
		defer c.Close()
		clients = append(clients, c)
	}
	p, err := redis.NewRedLock(clients, &opts)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 5 {
		h, err := p.NewLock("a").TryAcquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestNewRedLockRefuses(t *testing.T) {
	one := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:6379"})
	defer one.Close()
	same := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:6379"})
	defer same.Close()
	cluster := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{"127.0.0.1:6379"}})
	defer cluster.Close()
	ring := goredis.NewRing(&goredis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:6379"}})
	defer ring.Close()
	failover := goredis.NewFailoverClient(&goredis.FailoverOptions{MasterName: "m", SentinelAddrs: []string{"127.0.0.1:26379"}})
	defer failover.Close()
	for _, c := range []struct {
		name    string
		clients []goredis.UniversalClient
		opts    *redis.Options
		says    string
	}{
		{"none", nil, nil, "at least one server"},
		{"nil", []goredis.UniversalClient{one, nil}, nil, "nil"},
		{"a nil client", []goredis.UniversalClient{(*goredis.Client)(nil)}, nil, "nil"},
		{"a cluster", []goredis.UniversalClient{cluster}, nil, "*redis.Client"},
		{"a ring", []goredis.UniversalClient{ring}, nil, "Ring"},
		{"a failover client", []goredis.UniversalClient{one, failover}, nil, "failover"},
		{"a client twice", []goredis.UniversalClient{one, one}, nil, "twice"},
		{"an address twice", []goredis.UniversalClient{one, same}, nil, "twice"},
		{"replicas", []goredis.UniversalClient{one}, &redis.Options{ReplicaAcks: 1}, "replicas"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := redis.NewRedLock(c.clients, c.opts)
			if err == nil {
				_ = p.Close()
				t.Fatal("it is taken")
			}
			if !errors.Is(err, core.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; it must match ErrInvalid and speak of %q", err, c.says)
			}
		})
	}
}

func TestOpenRedLockRefuses(t *testing.T) {
	for _, servers := range [][]string{
		nil, {"localhost"}, {"redis://a:6379", "http://b"}, {"redis://u:secret@a:6379", "redis://u:secret@a:port"},
		{"u:secret@a:6379"}, {"secret@a:6379"}, {"u:secret@[::1]:6379"}, {"a:secret:6379"},
	} {
		p, err := redis.OpenRedLock(context.Background(), servers, nil)
		if err == nil {
			_ = p.Close()
			t.Errorf("%q is taken", servers)
			continue
		}
		if !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%q: %v; it must match ErrInvalid", servers, err)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("a password is in the error: %v", err)
		}
	}
}
