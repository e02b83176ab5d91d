//go:build unix

package redistest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

func TestReplicaAcks(t *testing.T) {
	t.Parallel()
	master, replica := start(t, testenv.RedisConfig{}), start(t, testenv.RedisConfig{})
	follow(t, admin(t, replica), master)
	o := quick()
	o.ReplicaAcks, o.ReplicaTimeout = 1, 200*time.Millisecond
	p, q := open(t, master.URL(), o), open(t, master.URL(), o)
	c := admin(t, master)
	h := acquire(t, p.NewLock("a"))
	r := admin(t, replica)
	if holder(t, r, "a") == "" {
		t.Error("the lock was granted, and its replica does not have it")
	}
	w := waiting(patient(t), q.NewLock("a"))
	queued(t, c, "a", 1)
	release(t, h)
	release(t, granted(t, w))
	if err := replica.Pause(); err != nil {
		t.Fatal(err)
	}
	_, err := p.NewLock("b").Acquire(patient(t))
	is(t, err, redis.NoReplicas)
	eventually(t, "what was not replicated is given back", time.Second, func() bool { return holder(t, c, "b") == "" })
	if err := replica.Continue(); err != nil {
		t.Fatal(err)
	}
}

// A request that a node sends on, because the slot has moved or is on its way, is
// acknowledged by the replicas of the node that carries it out.
func TestReplicaAcksFollowTheSlot(t *testing.T) {
	t.Parallel()
	cluster := testenv.NewRedisCluster(t, testenv.RedisClusterConfig{Masters: 3, Replicas: 1})
	o := lenient()
	o.Lease, o.ReplicaAcks, o.ReplicaTimeout = time.Minute, 1, 5*time.Second
	for _, n := range cluster.Nodes[3:] {
		inStep(t, admin(t, n))
	}
	p := open(t, "redis://"+strings.Join(cluster.Addrs(), ",")+"/?mode=cluster", o)
	c := admin(t, cluster.Nodes[0])
	for _, name := range []string{"asked", "moved"} {
		slot := int(c.ClusterKeySlot(context.Background(), "distlock:{"+name+"}").Val())
		objects := []core.Lock{p.NewLock(name), core.Writer(p.NewRWLock(name)), p.NewSemaphore(name, 2)}
		if name == "moved" { // The slot's master is known, as it was.
			for _, l := range objects {
				release(t, acquire(t, l))
			}
			move(t, cluster.Nodes[:3], slot)
			for _, l := range objects {
				release(t, acquire(t, l))
			}
			continue
		}
		m := migrate(t, cluster.Nodes[:3], slot)
		seen := stat(m.target.Info(context.Background(), "commandstats").Val(), "cmdstat_asking:calls=")
		var ws []<-chan outcome
		for _, l := range objects {
			ws = append(ws, waiting(patient(t), l))
		}
		eventually(t, "they are sent to the next master", 10*time.Second, func() bool {
			return stat(m.target.Info(context.Background(), "commandstats").Val(), "cmdstat_asking:calls=") >= seen+len(objects)
		})
		m.end()
		for _, w := range ws {
			release(t, granted(t, w))
		}
	}
}

// One who may not call WAIT is told so, and not that the replicas are slow.
func TestReplicaAcksWithoutTheRight(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	rules := slices.DeleteFunc(redis.ACL("", false), func(r string) bool { return r == "+wait" })
	setUser(t, c, append([]string{"hasty", "on", ">pw"}, rules...))
	o := lenient()
	o.ReplicaAcks = 1
	p := open(t, withUser(t, server.URL(), "hasty", "pw"), o)
	for _, l := range []core.Lock{p.NewLock("a"), core.Writer(p.NewRWLock("a")), p.NewSemaphore("a", 1)} {
		_, err := l.Acquire(patient(t))
		is(t, err, redis.NoPermission)
	}
	eventually(t, "what was taken is given back", 10*time.Second, func() bool {
		return c.Exists(context.Background(), "distlock:{a}", "distlock:{a}:rw", "distlock:{a}:sem").Val() == 0
	})
}
