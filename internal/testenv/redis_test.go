//go:build unix

package testenv

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func clientOf(t *testing.T, r *Redis) *redis.Client {
	t.Helper()
	c := r.Client()
	t.Cleanup(func() { c.Close() })
	return c
}

func set(t *testing.T, r *Redis, key, value string) {
	t.Helper()
	if err := clientOf(t, r).Set(t.Context(), key, value, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestRedisLife(t *testing.T) {
	t.Parallel()
	r := NewRedis(t, RedisConfig{Durable: true, Settings: map[string]string{"maxclients": "77"}})
	got, err := clientOf(t, r).ConfigGet(t.Context(), "maxclients").Result()
	if err != nil || got["maxclients"] != "77" {
		t.Errorf("maxclients: %v, %v; want 77", got, err)
	}
	if err := clientOf(t, r).Do(t.Context(), "DEBUG", "SLEEP", "0").Err(); err != nil {
		t.Errorf("DEBUG is not allowed: %v", err)
	}
	for name, how := range map[string]func() error{
		"stop": func() error { return r.Stop(t.Context()) },
		"kill": r.Kill,
	} {
		t.Run(name, func(t *testing.T) {
			set(t, r, "how", name)
			if err := how(); err != nil {
				t.Fatal(err)
			}
			if err := r.ping(t.Context()); err == nil {
				t.Error("it still answers")
			}
			if err := r.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, err := clientOf(t, r).Get(t.Context(), "how").Result(); got != name {
				t.Errorf("after the restart the key is %q, %v", got, err)
			}
		})
	}
}

func TestRedisForgetsUnlessDurable(t *testing.T) {
	r := NewRedis(t, RedisConfig{})
	set(t, r, "key", "value")
	if err := r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := clientOf(t, r).Get(t.Context(), "key").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("after the restart: %v, want nil", err)
	}
}

func TestRedisPause(t *testing.T) {
	r := NewRedis(t, RedisConfig{})
	c := clientOf(t, r)
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx).Err(); err == nil {
		t.Error("a paused server answered")
	}
	if err := r.Continue(); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := r.Kill(); err != nil {
		t.Errorf("killing a paused server: %v", err)
	}
}

func TestRedisPassword(t *testing.T) {
	r := NewRedis(t, RedisConfig{Password: "it's a secret"})
	options, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	right := redis.NewClient(options)
	defer right.Close()
	if err := right.Ping(t.Context()).Err(); err != nil {
		t.Errorf("with the URL's password: %v", err)
	}
	options.Password = "wrong"
	wrong := redis.NewClient(options)
	defer wrong.Close()
	if err := wrong.Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("with a wrong password: %v; want WRONGPASS", err)
	}
}

func TestRedisSaysWhyItDoesNotStart(t *testing.T) {
	if _, err := choose(t.Context(), redisFamily); err != nil {
		t.Skip(err)
	}
	r, err := StartRedis(t.Context(), RedisConfig{Settings: map[string]string{"no-such-setting": "1"}})
	if err == nil {
		r.Close()
		t.Fatal("it started")
	}
	if !strings.Contains(err.Error(), "no-such-setting") {
		t.Errorf("the error does not show the server's own words: %v", err)
	}
}

func TestRedisNodesAreStrangers(t *testing.T) {
	t.Parallel()
	nodes := NewRedisNodes(t, 5, RedisConfig{})
	if addrs := nodes.Addrs(); len(slices.Compact(slices.Sorted(slices.Values(addrs)))) != 5 {
		t.Fatalf("addresses: %v", addrs)
	}
	set(t, nodes[0], "key", "value")
	for _, node := range nodes[1:] {
		if n, err := clientOf(t, node).Exists(t.Context(), "key").Result(); n != 0 || err != nil {
			t.Errorf("%s has what was written to %s: %d, %v", node.Addr(), nodes[0].Addr(), n, err)
		}
	}
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	cluster := NewRedisCluster(t, RedisClusterConfig{Replicas: 1})
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs()})
	defer c.Close()
	for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
		if err := c.Set(t.Context(), key, "value", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, master := range cluster.Nodes[:3] {
		if n, err := clientOf(t, master).DBSize(t.Context()).Result(); n == 0 || err != nil {
			t.Errorf("master %s has %d keys, %v; want some on each", master.Addr(), n, err)
		}
	}
	for _, replica := range cluster.Nodes[3:] {
		within(t, 30*time.Second, "replication", func() error {
			info, err := clientOf(t, replica).Info(t.Context(), "replication").Result()
			if err == nil && !strings.Contains(info, "master_link_status:up") {
				err = errors.New(info)
			}
			return err
		})
	}
	if err := cluster.Nodes[0].Kill(); err != nil {
		t.Fatal(err)
	}
	within(t, 30*time.Second, "failover", func() error {
		c.ReloadState(t.Context())
		return c.Set(t.Context(), "f", "again", 0).Err()
	})
	if err := cluster.Nodes[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	s := NewRedisSentinel(t, RedisSentinelConfig{})
	c := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: s.Name, SentinelAddrs: s.Addrs()})
	defer c.Close()
	if err := c.Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if primary, err := s.PrimaryNow(t.Context()); primary != s.Primary {
		t.Fatalf("the primary is %v, %v", primary, err)
	}
	if err := s.Primary.Kill(); err != nil {
		t.Fatal(err)
	}
	within(t, 60*time.Second, "failover", func() error {
		primary, err := s.PrimaryNow(t.Context())
		if err == nil && primary != s.Replicas[0] {
			err = errors.New("the primary is still the dead one")
		}
		return err
	})
	within(t, 30*time.Second, "write after the failover", func() error {
		return c.Set(t.Context(), "key", "again", 0).Err()
	})
}

func TestValkey(t *testing.T) {
	if here, err := valkeyFamily.find(); here.dir == "" || err != nil {
		t.Skip("no valkey-server here: install it, or name its directory with " + ValkeyBinVar)
	}
	r := NewRedis(t, RedisConfig{Valkey: true})
	info, err := clientOf(t, r).Info(t.Context(), "server").Result()
	if err != nil || !strings.Contains(info, "server_name:valkey") {
		t.Errorf("it is no Valkey: %v\n%s", err, info)
	}
}
