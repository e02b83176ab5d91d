//go:build unix

package redistest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

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

// A client for one server, and a cluster; and the reverse.
func TestWrongMode(t *testing.T) {
	t.Parallel()
	cluster := testenv.NewRedisCluster(t, testenv.RedisClusterConfig{})
	var trouble *redis.TroubleError
	for _, n := range cluster.Nodes {
		_, err := redis.Open(patient(t), n.URL(), lenient())
		is(t, err, redis.WrongMode)
		client := n.Client()
		defer client.Close()
		p, err := redis.New(client, lenient())
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

	single := start(t, testenv.RedisConfig{})
	_, err := redis.Open(patient(t), single.URL()+"?mode=cluster", lenient())
	is(t, err, redis.WrongMode)
	client := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{single.Addr()}})
	defer client.Close()
	p, err := redis.New(client, lenient())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, err = p.NewLock("a").Acquire(patient(t)) // It does not wait for a cluster to come up.
	is(t, err, redis.WrongMode)
	_, err = p.Check(patient(t))
	is(t, err, redis.WrongMode)
}

// A cluster of one server may be used as that server, which says so.
func TestClusterOfOne(t *testing.T) {
	t.Parallel()
	cluster := testenv.NewRedisCluster(t, testenv.RedisClusterConfig{Masters: 1})
	p := open(t, cluster.Nodes[0].URL(), lenient())
	release(t, acquire(t, p.NewLock("a")))
	if r, err := p.Check(patient(t)); err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "cluster") {
		t.Errorf("Check: %+v, %v", r, err)
	}
}

// A failover in the middle of a hold: the hold is lost or still good, never both
// held twice; tokens grow; waiters get in on the new master.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	sentinel := testenv.NewRedisSentinel(t, testenv.RedisSentinelConfig{})
	url := fmt.Sprintf("redis://%s/?mode=sentinel&master=%s", strings.Join(sentinel.Addrs(), ","), sentinel.Name)
	var events log
	o := quick()
	o.Observer = &events
	p, q := open(t, url, o), open(t, url, quick())
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
	renewals := len(events.of(core.EventRenewed))
	eventually(t, "it is known whether the hold is good", 20*time.Second, func() bool {
		return h.Err() != nil || len(w) > 0 || len(events.of(core.EventRenewed)) > renewals
	})
	if h.Err() == nil && len(w) == 0 { // The new primary knows of it.
		if err := h.Release(patient(t)); err != nil && !errors.Is(err, core.ErrLost) {
			t.Errorf("Release: %v", err)
		}
	}
	next := granted(t, w)
	// Replication is asynchronous: a primary that has not heard of the hold lets the
	// next one in, and the first learns of it by its next renewal.
	select {
	case <-h.Done():
	case <-time.After(o.Lease/3 + o.Timeout + time.Second):
		t.Error("two hold, and the first one does not learn of it")
	}
	if next.Token() <= h.Token() {
		t.Errorf("the token %d follows %d", next.Token(), h.Token())
	}
	release(t, next)
	release(t, acquire(t, core.Writer(p.NewRWLock("c"))))
}
