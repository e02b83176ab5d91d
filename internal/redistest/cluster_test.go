//go:build unix

package redistest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// Slots move from master to master while locks in them are contended and held:
// nobody sees an error, no hold is lost, and no two hold at once.
func TestReshardUnderLoad(t *testing.T) {
	t.Parallel()
	cluster := testenv.NewRedisCluster(t, testenv.RedisClusterConfig{})
	url := "redis://" + strings.Join(cluster.Addrs(), ",") + "/?mode=cluster"
	p, q := open(t, url, quick()), open(t, url, quick())
	names := []string{"reshard a", "reshard b", "reshard c"}
	kept := acquire(t, p.NewLock("reshard kept"))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var rounds atomic.Int64
	for _, name := range names {
		var inside atomic.Int64
		var last atomic.Uint64
		for i := range 6 {
			l := []core.Lock{p.NewLock(name), q.NewLock(name)}[i%2]
			wg.Go(func() {
				for ctx.Err() == nil {
					h, err := l.Acquire(patient(t))
					if err != nil {
						t.Errorf("%s: Acquire: %v", name, err)
						return
					}
					if inside.Add(1) != 1 {
						t.Errorf("%s: two hold at once", name)
					}
					if before := last.Swap(h.Token()); before >= h.Token() {
						t.Errorf("%s: the token %d follows %d", name, h.Token(), before)
					}
					inside.Add(-1)
					if err := h.Release(patient(t)); err != nil {
						t.Errorf("%s: Release: %v", name, err)
					}
					rounds.Add(1)
				}
			})
		}
	}
	c := admin(t, cluster.Nodes[0])
	for range 6 {
		for _, name := range append(names, "reshard kept") {
			slot := c.ClusterKeySlot(context.Background(), "distlock:{"+name+"}").Val()
			before := rounds.Load()
			move(t, cluster, int(slot))
			eventually(t, "locks are still taken", 10*time.Second, func() bool { return rounds.Load() > before+10 })
		}
	}
	cancel()
	wg.Wait()
	if err := kept.Err(); err != nil {
		t.Errorf("a hold was lost when its slot moved: %v", err)
	}
	release(t, kept)
	t.Logf("%d acquisitions", rounds.Load())
}

// move moves a slot to the next master, key by key, as redis-cli does.
func move(t testing.TB, cluster *testenv.RedisCluster, slot int) {
	t.Helper()
	ctx := context.Background()
	ids := make(map[string]string) // by address
	clients := make(map[string]*goredis.Client)
	var owner string
	for _, n := range cluster.Nodes {
		c := n.Client()
		defer c.Close()
		clients[n.Addr()] = c
		ids[n.Addr()] = c.ClusterMyID(ctx).Val()
	}
	for _, s := range clients[cluster.Nodes[0].Addr()].ClusterSlots(ctx).Val() {
		if s.Start <= slot && slot <= s.End {
			owner = s.Nodes[0].Addr
		}
	}
	var target string
	for i, n := range cluster.Nodes {
		if n.Addr() == owner {
			target = cluster.Nodes[(i+1)%len(cluster.Nodes)].Addr()
		}
	}
	do := func(addr string, args ...any) {
		t.Helper()
		if err := clients[addr].Do(ctx, args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	do(target, "cluster", "setslot", slot, "importing", ids[owner])
	do(owner, "cluster", "setslot", slot, "migrating", ids[target])
	host, port, _ := strings.Cut(target, ":")
	if n, err := strconv.Atoi(port); err != nil || n == 0 {
		t.Fatalf("the address %q has no port", target)
	}
	for {
		keys := clients[owner].ClusterGetKeysInSlot(ctx, slot, 1).Val()
		if len(keys) == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond) // Some of the keys have moved and some have not.
		if err := clients[owner].Do(ctx, "migrate", host, port, keys[0], 0, 5000).Err(); err != nil {
			t.Fatalf("migrate: %v", err)
		}
	}
	for _, n := range []string{target, owner} {
		do(n, "cluster", "setslot", slot, "node", ids[target])
	}
	for _, n := range cluster.Nodes {
		if n.Addr() != target && n.Addr() != owner {
			do(n.Addr(), "cluster", "setslot", slot, "node", ids[target])
		}
	}
}

func TestClusterDown(t *testing.T) {
	t.Parallel()
	cluster := testenv.NewRedisCluster(t, testenv.RedisClusterConfig{})
	p := open(t, "redis://"+strings.Join(cluster.Addrs(), ",")+"/?mode=cluster", quick())
	c := admin(t, cluster.Nodes[0])
	// A name of a slot of the first master, which stays up.
	var name string
	for i := 0; ; i++ {
		name = fmt.Sprint("down", i)
		slot := c.ClusterKeySlot(context.Background(), "distlock:{"+name+"}").Val()
		if slots := c.ClusterSlots(context.Background()).Val(); func() bool {
			for _, s := range slots {
				if int64(s.Start) <= slot && slot <= int64(s.End) {
					return s.Nodes[0].Addr == cluster.Nodes[0].Addr()
				}
			}
			return false
		}() {
			break
		}
	}
	release(t, acquire(t, p.NewLock(name)))
	for _, n := range cluster.Nodes[1:] {
		if err := n.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the cluster is down", 30*time.Second, func() bool {
		return strings.Contains(c.ClusterInfo(context.Background()).Val(), "cluster_state:fail")
	})
	_, err := p.NewLock(name).TryAcquire(patient(t))
	is(t, err, redis.ClusterDown)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err = p.NewLock(name).Acquire(ctx)
	is(t, err, redis.ClusterDown)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a wait that ended by its context: %v", err)
	}
}

// A client for one server, and a cluster.
func TestWrongMode(t *testing.T) {
	t.Parallel()
	cluster := testenv.NewRedisCluster(t, testenv.RedisClusterConfig{})
	var trouble *redis.TroubleError
	for _, n := range cluster.Nodes {
		p, err := redis.New(n.Client(), quick())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for i := range 10 {
			if _, err := p.NewLock(fmt.Sprint(i)).TryAcquire(patient(t)); err != nil {
				is(t, err, redis.WrongMode)
				errors.As(err, &trouble)
			}
		}
	}
	if trouble == nil {
		t.Error("no node has refused a key of another node's slot")
	}
}

// A failover in the middle of a hold: the hold is lost or still good, never both
// held twice; tokens grow; waiters get in on the new master.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	sentinel := testenv.NewRedisSentinel(t, testenv.RedisSentinelConfig{})
	url := fmt.Sprintf("redis://%s/?mode=sentinel&master=%s", strings.Join(sentinel.Addrs(), ","), sentinel.Name)
	p, q := open(t, url, quick()), open(t, url, quick())
	h := acquire(t, p.NewLock("a"))
	w := waiting(patient(t), q.NewLock("a"))
	ws := waiting(patient(t), q.NewLock("b"))
	release(t, granted(t, ws))
	primary, err := sentinel.PrimaryNow(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "there is another primary", 30*time.Second, func() bool {
		now, err := sentinel.PrimaryNow(context.Background())
		return err == nil && now != primary
	})
	first := h.Token()
	if err := h.Release(patient(t)); err != nil && !errors.Is(err, core.ErrLost) {
		t.Logf("Release: %v", err)
	}
	next := granted(t, w)
	if next.Token() <= first {
		t.Errorf("the token %d follows %d", next.Token(), first)
	}
	release(t, next)
	release(t, acquire(t, core.Writer(p.NewRWLock("c"))))
}

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
