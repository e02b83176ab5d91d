package redis_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
	"github.com/distlock/distlock-go/redis"
)

const nodesVar = "DISTLOCK_TEST_REDIS_NODES"

// leaseVar is the lease of the servers of RedLock, if the machine is so busy that a
// process may be held up for as long as that of the usual run.
const leaseVar = "DISTLOCK_TEST_LEASE"

// redlockOptions are those of every provider here, as of those in other processes.
func redlockOptions(t testing.TB, prefix string) redis.Options {
	o := testOptions(prefix)
	if text := os.Getenv(leaseVar); text != "" {
		var err error
		if o.Lease, err = time.ParseDuration(text); err != nil && t != nil {
			t.Fatalf("%s: %v", leaseVar, err)
		}
		o.Claim, o.WaitLease = o.Lease/2, o.Lease*3/2
	}
	return o
}

// dead is an address at which nothing listens: the port is reserved.
const dead = "127.0.0.1:1"

func TestRedLockConformance(t *testing.T) {
	type fleet struct{ up, down int }
	fleets := []fleet{{2, 1}}
	if os.Getenv("DISTLOCK_TEST_REDLOCK") == "all" { // make test-redlock; each takes minutes.
		fleets = []fleet{{3, 0}, {5, 0}, {2, 1}, {3, 2}, {1, 0}}
	}
	for _, servers := range fleets {
		t.Run(fmt.Sprintf("%d-up-%d-down", servers.up, servers.down), func(t *testing.T) {
			conformRedLock(t, servers.up, servers.down)
		})
	}
}

// redlockServers returns the servers that are up, and then those that are not.
func redlockServers(t testing.TB, up, down int) []string {
	t.Helper()
	all := strings.Split(need(t, nodesVar), ",")
	if len(all) < up {
		t.Fatalf("%s names %d servers; %d are needed", nodesVar, len(all), up)
	}
	servers := all[:up:up]
	for i := range down {
		servers = append(servers, strings.Replace(dead, "0.1", "0."+strconv.Itoa(1+i), 1))
	}
	return servers
}

func openRedLock(t testing.TB, servers []string, opts redis.Options) *redis.RedLock {
	t.Helper()
	p, err := redis.OpenRedLock(context.Background(), servers, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func bootstrap(t testing.TB, servers []string, opts redis.Options) {
	p := openRedLock(t, servers, opts)
	defer p.Close()
	if err := p.Bootstrap(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func redlockProcess(process string, observer core.Observer) (core.Provider, error) {
	prefix, servers, _ := strings.Cut(process, " ")
	o := redlockOptions(nil, prefix)
	o.Observer = observer
	return redis.OpenRedLock(context.Background(), strings.Split(servers, ","), &o)
}

func conformRedLock(t *testing.T, up, down int) {
	servers := redlockServers(t, up, down)
	prefix := fmt.Sprintf("redlock%d", time.Now().UnixNano())
	o := redlockOptions(t, prefix)
	bootstrap(t, servers[:up], o)
	var clients []*goredis.Client
	for _, server := range servers[:up] {
		c := goredis.NewClient(&goredis.Options{Addr: server})
		defer c.Close()
		clients = append(clients, c)
	}
	locktest.Run(t, locktest.Harness{
		Open: func(t testing.TB, observer core.Observer) core.Provider {
			mine := o
			mine.Observer = observer
			return openRedLock(t, servers, mine)
		},
		Lose: func(t testing.TB, _ core.Provider, kind core.Kind, name string) {
			suffix := map[core.Kind]string{core.KindLock: "", core.KindRWLock: ":rw", core.KindSemaphore: ":sem"}[kind]
			key := prefix + ":{" + name + "}" + suffix
			// On all at once: a vote that is missing on a minority is soon had again.
			var all sync.WaitGroup
			for _, c := range clients {
				all.Go(func() {
					if err := c.Del(context.Background(), key).Err(); err != nil {
						t.Errorf("DEL %q: %v", key, err)
					}
				})
			}
			all.Wait()
		},
		Process:  "redlock " + prefix + " " + strings.Join(servers, ","),
		Tokens:   true,
		Fair:     true,
		Lease:    o.Lease,
		Renewed:  true,
		Parallel: atATime,
		Check: func(t testing.TB) {
			for _, c := range clients {
				redlockLeftovers(t, c, o)
			}
		},
		Foreign: func(stack string) bool { return strings.Contains(stack, "go-redis") },
	})
	for _, c := range clients {
		for _, key := range c.Keys(context.Background(), prefix+":*").Val() {
			c.Del(context.Background(), key)
		}
	}
}

// redlockLeftovers is leftovers, for a server that keeps a guard. A process that
// has ended without Close may not have sent its last release to a minority of the
// servers; what it leaves there ends with its lease.
func redlockLeftovers(t testing.TB, c goredis.UniversalClient, o redis.Options) {
	prefix, leases := o.Prefix, time.Now()
	dead := strings.Contains(t.Name(), "/Processes/")
	if dead {
		leases = leases.Add(o.Lease + 2*time.Second)
	}
	each(t, c, func(ctx context.Context, c goredis.Cmdable) {
		for _, key := range c.Keys(ctx, prefix+":*").Val() {
			ttl := c.PTTL(ctx, key).Val()
			switch {
			case key == prefix+":guard":
			case ttl > 0 && (strings.HasSuffix(key, ":f") || strings.HasPrefix(key, prefix+":i:")):
			default:
				for ttl > 0 && time.Now().Before(leases) && !(dead && expired(ctx, c, key)) {
					time.Sleep(10 * time.Millisecond)
					ttl = c.PTTL(ctx, key).Val()
				}
				if c.Exists(ctx, key).Val() == 0 || dead && expired(ctx, c, key) {
					continue
				}
				t.Errorf("the key %q is left, with a TTL of %v", key, ttl)
			}
		}
	})
}

// expired reports whether all who are in a set of holders have let their leases
// run out. The set outlives them by up to four leases.
func expired(ctx context.Context, c goredis.Cmdable, key string) bool {
	if strings.HasSuffix(key, ":q") {
		return false
	}
	now, err := c.Time(ctx).Result()
	if err != nil {
		return false
	}
	n, err := c.ZCount(ctx, key, "("+strconv.FormatInt(now.UnixMilli(), 10), "+inf").Result()
	return err == nil && n == 0
}
