//go:build unix

package redistest

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// A switched client connects to wherever it is told to.
type switched struct {
	*goredis.Client
	addr atomic.Pointer[string]
}

func (s *switched) to(r *testenv.Redis) {
	addr := r.Addr()
	s.addr.Store(&addr)
}

func newSwitched(t *testing.T, first *testenv.Redis) *switched {
	s := new(switched)
	s.to(first)
	s.Client = goredis.NewClient(&goredis.Options{
		Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, *s.addr.Load())
		},
	})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// A waiter's subscription stays with the old master, which has become a replica of
// the new one. The new one has no subscriber of that waiter's and passes it over, but
// whatever it publishes the old one passes on: a grant that it took back must not
// arrive there, for the waiter would hold what the next one has been given.
func TestASubscriptionThatStayedWithTheOldMaster(t *testing.T) {
	for kind, lock := range map[string]func(core.Provider) core.Lock{
		"lock":      func(p core.Provider) core.Lock { return p.NewLock("x") },
		"rwlock":    func(p core.Provider) core.Lock { return core.Writer(p.NewRWLock("x")) },
		"semaphore": func(p core.Provider) core.Lock { return p.NewSemaphore("x", 1) },
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			older, newer := start(t, testenv.RedisConfig{}), start(t, testenv.RedisConfig{})
			old, young := admin(t, older), admin(t, newer)
			follow(t, young, older)
			client := newSwitched(t, older)
			o := &redis.Options{Lease: 90 * time.Second, Claim: 60 * time.Second, WaitLease: 90 * time.Second, Timeout: 10 * time.Second}
			provider := func() *redis.Provider {
				p, err := redis.New(client.Client, o)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = p.Close() })
				return p
			}
			p, q := provider(), provider()
			listening(t, old, q)
			h := acquire(t, lock(p))
			first := waiting(patient(t), lock(q))
			inQueue := func(c *goredis.Client, n int64) {
				eventually(t, "the waiters are in the queue", 10*time.Second, func() bool {
					ctx := context.Background()
					return c.ZCard(ctx, "distlock:{x}:q").Val()+c.ZCard(ctx, "distlock:{x}:rw:q").Val()+c.ZCard(ctx, "distlock:{x}:sem:q").Val() == n
				})
			}
			inQueue(young, 1)

			// The failover. All connections but those of subscriptions go to the new master.
			if err := young.SlaveOf(t.Context(), "NO", "ONE").Err(); err != nil {
				t.Fatal(err)
			}
			client.to(newer)
			if err := old.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
				t.Fatal(err)
			}
			follow(t, old, newer)
			second := waiting(patient(t), lock(open(t, newer.URL(), o)))
			inQueue(young, 2)
			release(t, h)
			h2 := granted(t, second)
			select {
			case o := <-first:
				t.Fatalf("the first waiter returns %v, %v while the second one holds", o.h, o.err)
			case <-time.After(500 * time.Millisecond):
			}

			// A subscription with the new master is told that all is well.
			if err := old.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
			release(t, h2)
			h1 := granted(t, first)
			if h1.Token() <= h2.Token() {
				t.Errorf("the token %d is followed by %d", h2.Token(), h1.Token())
			}
			release(t, h1)
		})
	}
}
