//go:build unix

package redistest

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
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
			move(t, cluster.Nodes, int(slot))
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

// A migration is a slot on its way from one master to another.
type migration struct {
	t             testing.TB
	slot          int
	masters       []*goredis.Client
	owner, target *goredis.Client
	ids           map[*goredis.Client]string
}

// migrate begins to move a slot to the next master. From now on the owner sends
// whoever asks for keys that it does not have to the other one.
func migrate(t testing.TB, masters []*testenv.Redis, slot int) *migration {
	t.Helper()
	m := &migration{t: t, slot: slot, ids: make(map[*goredis.Client]string)}
	for _, n := range masters {
		c := admin(t, n)
		m.masters = append(m.masters, c)
		m.ids[c] = c.ClusterMyID(context.Background()).Val()
	}
	for _, s := range m.masters[0].ClusterSlots(context.Background()).Val() {
		for i, c := range m.masters {
			if s.Start <= slot && slot <= s.End && s.Nodes[0].Addr == c.Options().Addr {
				m.owner, m.target = c, m.masters[(i+1)%len(masters)]
			}
		}
	}
	if m.owner == nil {
		t.Fatalf("no master has the slot %d", slot)
	}
	m.do(m.target, "cluster", "setslot", slot, "importing", m.ids[m.owner])
	m.do(m.owner, "cluster", "setslot", slot, "migrating", m.ids[m.target])
	return m
}

func (m *migration) do(c *goredis.Client, args ...any) {
	m.t.Helper()
	if err := c.Do(context.Background(), args...).Err(); err != nil {
		m.t.Fatalf("%v: %v", args, err)
	}
}

// end moves the keys, one by one, as redis-cli does, and then the slot.
func (m *migration) end() {
	m.t.Helper()
	host, port, _ := strings.Cut(m.target.Options().Addr, ":")
	for {
		keys := m.owner.ClusterGetKeysInSlot(context.Background(), m.slot, 1).Val()
		if len(keys) == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond) // Some of the keys have moved and some have not.
		m.do(m.owner, "migrate", host, port, keys[0], 0, 5000)
	}
	for _, c := range []*goredis.Client{m.target, m.owner} {
		m.do(c, "cluster", "setslot", m.slot, "node", m.ids[m.target])
	}
	for _, c := range m.masters {
		if c != m.target && c != m.owner {
			m.do(c, "cluster", "setslot", m.slot, "node", m.ids[m.target])
		}
	}
}

// move moves a slot to the next master.
func move(t testing.TB, masters []*testenv.Redis, slot int) {
	t.Helper()
	migrate(t, masters, slot).end()
}
