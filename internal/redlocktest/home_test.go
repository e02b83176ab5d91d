//go:build unix

package redlocktest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// TestWaitersGoHome has many waiters of one process stand in the queue of the second
// server, because the first one was away when they came. It comes back, and while it is
// somebody else's turn there, it becomes theirs at the second: they all go to where
// those wait who come now. One after the other would take half a second each, and all
// that time each of the two servers would keep its vote from the other's waiters.
func TestWaitersGoHome(t *testing.T) {
	t.Parallel()
	const waiters = 50
	f := newFleet(t, 3)
	servers := f.inOrder(t)
	key := f.opts.Prefix + ":{a}"
	queue := func(i int) int64 { return servers[i].ZCard(context.Background(), key+":q").Val() }
	for i, c := range servers {
		other := "another program, with a lock of its own: " + strconv.Itoa(i)
		check(t, c.Set(t.Context(), key, other, 10*time.Minute).Err())
	}
	away := f.RedisNodes[slices.IndexFunc(f.Addrs(), func(addr string) bool { return addr == servers[0].Options().Addr })]
	check(t, away.Pause())
	p := f.open(t)
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range waiters {
		all.Go(func() {
			h, err := p.NewLock("a").Acquire(ctx)
			if err == nil {
				err = h.Release(context.Background())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	const patience = 10 * lease
	eventually(t, patience, "all wait at the second server", func() bool { return queue(1) == waiters })

	check(t, away.Continue())
	eventually(t, patience, "those who come now wait at the first server", func() bool {
		short, cancel := context.WithTimeout(ctx, lease/4)
		defer cancel()
		came := make(chan struct{})
		go func() {
			defer close(came)
			_, _ = p.NewLock("a").Acquire(short)
		}()
		defer func() { <-came }()
		for short.Err() == nil {
			if queue(0) > 0 {
				return true
			}
			time.Sleep(5 * time.Millisecond)
		}
		return false
	})
	check(t, servers[1].Del(t.Context(), key).Err())
	eventually(t, patience, "all wait at the first server", func() bool { return queue(0) == waiters && queue(1) == 0 })

	for _, i := range []int{2, 0} { // Theirs at last, and only then their turn.
		check(t, servers[i].Del(t.Context(), key).Err())
	}
	all.Wait()
}

// inOrder returns a client of each server, in the order in which processes choose the
// one at which they wait.
func (f *fleet) inOrder(t *testing.T) (clients []*goredis.Client) {
	t.Helper()
	for _, node := range f.RedisNodes {
		c := node.Client()
		t.Cleanup(func() { _ = c.Close() })
		clients = append(clients, c)
	}
	slices.SortFunc(clients, func(a, b *goredis.Client) int { return strings.Compare(a.Options().Addr, b.Options().Addr) })
	return clients
}
