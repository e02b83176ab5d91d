//go:build unix

package testenv

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// RedisNodes are servers that know nothing of each other.
type RedisNodes []*Redis

// NewRedisNodes starts n servers for one test, like [NewRedis].
func NewRedisNodes(tb testing.TB, n int, cfg RedisConfig) RedisNodes {
	tb.Helper()
	return forTest(tb, func(ctx context.Context) (RedisNodes, error) { return StartRedisNodes(ctx, n, cfg) })
}

// StartRedisNodes starts n servers. The caller must Close them.
func StartRedisNodes(ctx context.Context, n int, cfg RedisConfig) (RedisNodes, error) {
	nodes, err := startAll(n, func() (*Redis, error) { return StartRedis(ctx, cfg) })
	if err != nil {
		return nil, errors.Join(err, closeAll(nodes))
	}
	return nodes, nil
}

// Addrs returns the host:port of every server.
func (n RedisNodes) Addrs() []string { return addrs(n) }

// Close kills all servers and removes their data.
func (n RedisNodes) Close() error { return closeAll(n) }

// startAll starts n servers at the same time. With an error come those that did
// start, to be closed.
func startAll(n int, start func() (*Redis, error)) ([]*Redis, error) {
	nodes := make([]*Redis, n)
	errs := make([]error, n)
	var starting sync.WaitGroup
	for i := range n {
		starting.Go(func() { nodes[i], errs[i] = start() })
	}
	starting.Wait()
	return nodes, errors.Join(errs...)
}

func closeAll(nodes []*Redis) error {
	var errs []error
	for _, node := range nodes {
		if node != nil {
			errs = append(errs, node.Close())
		}
	}
	return errors.Join(errs...)
}

func addrs(nodes []*Redis) []string {
	var all []string
	for _, node := range nodes {
		all = append(all, node.Addr())
	}
	return all
}

// do calls f with a client that it closes.
func (r *Redis) do(f func(*redis.Client) error) error {
	client := r.Client()
	defer client.Close()
	return f(client)
}

type clusterInfo map[string]string

func (r *Redis) clusterInfo(ctx context.Context) (clusterInfo, error) {
	info := make(clusterInfo)
	err := r.do(func(client *redis.Client) error {
		text, err := client.ClusterInfo(ctx).Result()
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			info[name] = value
		}
		return err
	})
	return info, err
}
