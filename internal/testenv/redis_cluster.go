//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
)

// RedisClusterConfig says what kind of cluster is wanted.
type RedisClusterConfig struct {
	RedisConfig
	Masters  int // 0 means 3
	Replicas int // of each master
}

// RedisCluster is a private Redis Cluster.
type RedisCluster struct {
	// Nodes are the masters, in the order of their slots, and then the replicas,
	// of the first master first. Failovers do not reorder them.
	Nodes   []*Redis
	masters int
}

// NewRedisCluster starts a cluster for one test, like [NewRedis].
func NewRedisCluster(tb testing.TB, cfg RedisClusterConfig) *RedisCluster {
	tb.Helper()
	return forTest(tb, func(ctx context.Context) (*RedisCluster, error) { return StartRedisCluster(ctx, cfg) })
}

// StartRedisCluster starts a cluster and returns when all its nodes agree that
// it is complete. The caller must Close it.
func StartRedisCluster(ctx context.Context, cfg RedisClusterConfig) (*RedisCluster, error) {
	if cfg.Masters == 0 {
		cfg.Masters = 3
	}
	nodes, err := startAll(cfg.Masters*(1+cfg.Replicas), func() (*Redis, error) {
		return startRedis(ctx, cfg.RedisConfig, []string{
			"--cluster-enabled", "yes",
			"--cluster-config-file", "nodes.conf",
			"--cluster-node-timeout", "2000",
		})
	})
	c := &RedisCluster{Nodes: nodes, masters: cfg.Masters}
	if err == nil {
		err = c.form(ctx, cfg.Replicas)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// form makes one cluster of nodes that know nothing of each other.
func (c *RedisCluster) form(ctx context.Context, replicas int) error {
	const slots = 16384
	for i, node := range c.Nodes {
		err := node.do(func(client *redis.Client) error {
			if err := client.ClusterMeet(ctx, "127.0.0.1", fmt.Sprint(c.Nodes[0].Port())).Err(); err != nil {
				return err
			}
			if i >= c.masters {
				return nil
			}
			return client.ClusterAddSlotsRange(ctx, i*slots/c.masters, (i+1)*slots/c.masters-1).Err()
		})
		if err != nil {
			return err
		}
	}
	if err := c.agree(ctx, func(info clusterInfo) bool { return info["cluster_known_nodes"] == fmt.Sprint(len(c.Nodes)) }); err != nil {
		return err
	}
	for i, node := range c.Nodes[c.masters:] {
		if err := node.replicate(ctx, c.Nodes[i/replicas]); err != nil {
			return err
		}
	}
	return c.Wait(ctx)
}

// Wait returns when every node says that the cluster is complete and answers.
func (c *RedisCluster) Wait(ctx context.Context) error {
	return c.agree(ctx, func(info clusterInfo) bool { return info["cluster_state"] == "ok" })
}

func (c *RedisCluster) agree(ctx context.Context, on func(clusterInfo) bool) error {
	return until(ctx, startTimeout, func(ctx context.Context) error {
		for _, node := range c.Nodes {
			info, err := node.clusterInfo(ctx)
			if err != nil {
				return err
			}
			if !on(info) {
				return fmt.Errorf("testenv: the cluster does not form: node %s says %v", node.Addr(), info)
			}
		}
		return nil
	})
}

// replicate makes the node a replica. The node may not have heard of its master
// yet.
func (r *Redis) replicate(ctx context.Context, master *Redis) error {
	return until(ctx, startTimeout, func(ctx context.Context) error {
		var id string
		err := master.do(func(client *redis.Client) (err error) {
			id, err = client.ClusterMyID(ctx).Result()
			return err
		})
		if err != nil {
			return err
		}
		return r.do(func(client *redis.Client) error { return client.ClusterReplicate(ctx, id).Err() })
	})
}

// Addrs returns the host:port of every node.
func (c *RedisCluster) Addrs() []string { return addrs(c.Nodes) }

// Close kills all nodes and removes their data.
func (c *RedisCluster) Close() error { return closeAll(c.Nodes) }
