//go:build unix

package redistest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// A master of a cluster is silent for longer than a lease: holds that other masters
// keep are not lost, and neither are those that waiters get there meanwhile.
func TestSilentMasterEndsNoHoldOfAnother(t *testing.T) {
	t.Parallel()
	cluster := testenv.NewRedisCluster(t, testenv.RedisClusterConfig{})
	for _, n := range cluster.Nodes { // They are not to agree that one is down.
		if err := admin(t, n).ConfigSet(patient(t), "cluster-node-timeout", "600000").Err(); err != nil {
			t.Fatal(err)
		}
	}
	url := "redis://" + strings.Join(cluster.Addrs(), ",") + "/?mode=cluster"
	o := redis.Options{Lease: 4 * time.Second, Claim: 2 * time.Second}
	p, q := open(t, url, &o), open(t, url, &o)
	c := admin(t, cluster.Nodes[0])
	var here, there []core.Handle // on masters that answer, and on the other one
	for i := range 120 {          // At different times, so that they are due at different times.
		name := fmt.Sprint("n", i)
		if h := acquire(t, p.NewLock(name)); ofLast(t, c, name) {
			there = append(there, h)
		} else {
			here = append(here, h)
		}
		time.Sleep(12 * time.Millisecond)
	}
	var passed []core.Handle
	var waiters []<-chan outcome
	for i := 0; len(passed) < 15; i++ {
		name := fmt.Sprint("w", i)
		if ofLast(t, c, name) {
			continue
		}
		passed = append(passed, acquire(t, q.NewLock(name)))
		waiters = append(waiters, waiting(patient(t), p.NewLock(name)))
	}
	time.Sleep(o.Lease / 2)
	if err := cluster.Nodes[2].Pause(); err != nil {
		t.Fatal(err)
	}
	silent := time.Now()
	for i, h := range passed {
		time.Sleep(o.Lease / time.Duration(len(passed)))
		release(t, h)
		here = append(here, granted(t, waiters[i]))
	}
	time.Sleep(time.Until(silent.Add(o.Lease + o.Claim)))
	for _, h := range there {
		if h.Err() == nil {
			t.Fatal("a hold of the silent master stands: this tests nothing")
		}
	}
	lost := 0
	for _, h := range here {
		if err := h.Err(); err != nil {
			if lost++; lost == 1 {
				t.Logf("the first that was lost: %v", err)
			}
		}
	}
	if lost > 0 {
		t.Errorf("of %d holds on masters that answer, %d were lost", len(here), lost)
	}
	if err := cluster.Nodes[2].Continue(); err != nil {
		t.Fatal(err)
	}
}

// ofLast reports whether the last of three masters has a lock.
func ofLast(t testing.TB, c *goredis.Client, name string) bool {
	t.Helper()
	slot, err := c.ClusterKeySlot(context.Background(), "distlock:{"+name+"}").Result()
	if err != nil {
		t.Fatal(err)
	}
	return slot >= 2*16384/3
}
