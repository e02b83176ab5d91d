package redis_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
	"github.com/distlock/distlock-go/redis"
)

// testLease is long enough for a loaded machine, and short enough to be waited
// for.
const testLease = 2 * time.Second

func testOptions(prefix string) redis.Options {
	return redis.Options{Prefix: prefix, Lease: testLease, Claim: time.Second, WaitLease: 3 * time.Second}
}

// atATime is how many parts of the suite run at a time: most of them wait for
// leases, renewals and polls.
const atATime = 8

// TestMain fails if goroutines or descriptors are left in the end.
func TestMain(m *testing.M) {
	locktest.Main(locktest.Tidy(m), func(process string, observer core.Observer) (core.Provider, error) {
		if rest, several := strings.CutPrefix(process, "redlock "); several {
			return redlockProcess(rest, observer)
		}
		variable, prefix, _ := strings.Cut(process, " ")
		c, err := connect(variable, os.Getenv(variable))
		if err != nil {
			return nil, err
		}
		o := testOptions(prefix)
		o.Observer = observer
		return redis.New(c, &o)
	})
}

func TestConformance(t *testing.T)         { conform(t, serverVar) }
func TestConformanceCluster(t *testing.T)  { conform(t, clusterVar) }
func TestConformanceSentinel(t *testing.T) { conform(t, sentinelVar) }

func conform(t *testing.T, variable string) {
	c := client(t, variable)
	prefix := fmt.Sprintf("conform%d", time.Now().UnixNano())
	locktest.Run(t, locktest.Harness{
		Open: func(t testing.TB, o core.Observer) core.Provider {
			opts := testOptions(prefix)
			opts.Observer = o
			p, err := redis.New(c, &opts)
			if err != nil {
				t.Fatal(err)
			}
			return p
		},
		Lose: func(t testing.TB, _ core.Provider, kind core.Kind, name string) {
			suffix := map[core.Kind]string{core.KindLock: "", core.KindRWLock: ":rw", core.KindSemaphore: ":sem"}[kind]
			key := prefix + ":{" + name + "}" + suffix
			if err := c.Del(context.Background(), key).Err(); err != nil {
				t.Fatalf("DEL %q: %v", key, err)
			}
		},
		Process:  variable + " " + prefix,
		Tokens:   true,
		Fair:     true,
		Lease:    testLease,
		Renewed:  true,
		Parallel: atATime,
		Check:    func(t testing.TB) { leftovers(t, c, prefix) },
		Foreign:  func(stack string) bool { return strings.Contains(stack, "go-redis") },
	})
	each(t, c, func(ctx context.Context, c goredis.Cmdable) {
		for _, key := range c.Keys(ctx, prefix+":*").Val() {
			c.Del(ctx, key)
		}
	})
}

// leftovers fails the test if closed providers have left anything but the
// registers of fencing tokens, and killed ones anything but who they were. Both
// expire.
func leftovers(t testing.TB, c goredis.UniversalClient, prefix string) {
	each(t, c, func(ctx context.Context, c goredis.Cmdable) {
		for _, key := range c.Keys(ctx, prefix+":*").Val() {
			ttl := c.PTTL(ctx, key).Val()
			if !strings.HasSuffix(key, ":f") && !strings.HasPrefix(key, prefix+":i:") || ttl <= 0 {
				t.Errorf("the key %q is left, with a TTL of %v", key, ttl)
			}
		}
	})
}

// each calls f for every server that holds keys.
func each(t testing.TB, c goredis.UniversalClient, f func(context.Context, goredis.Cmdable)) {
	ctx := context.Background()
	if cluster, ok := c.(*goredis.ClusterClient); ok {
		err := cluster.ForEachMaster(ctx, func(ctx context.Context, c *goredis.Client) error {
			f(ctx, c)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		return
	}
	f(ctx, c)
}
