package redis_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
	"github.com/distlock/distlock-go/redis"
)

const nodesVar = "DISTLOCK_TEST_REDIS_NODES"

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
	o := testOptions(prefix)
	o.Observer = observer
	return redis.OpenRedLock(context.Background(), strings.Split(servers, ","), &o)
}

func conformRedLock(t *testing.T, up, down int) {
	servers := redlockServers(t, up, down)
	prefix := fmt.Sprintf("redlock%d", time.Now().UnixNano())
	bootstrap(t, servers[:up], testOptions(prefix))
	var clients []*goredis.Client
	for _, server := range servers[:up] {
		c := goredis.NewClient(&goredis.Options{Addr: server})
		defer c.Close()
		clients = append(clients, c)
	}
	locktest.Run(t, locktest.Harness{
		Open: func(t testing.TB, o core.Observer) core.Provider {
			opts := testOptions(prefix)
			opts.Observer = o
			return openRedLock(t, servers, opts)
		},
		Lose: func(t testing.TB, _ core.Provider, kind core.Kind, name string) {
			suffix := map[core.Kind]string{core.KindLock: "", core.KindRWLock: ":rw", core.KindSemaphore: ":sem"}[kind]
			key := prefix + ":{" + name + "}" + suffix
			for _, c := range clients {
				if err := c.Del(context.Background(), key).Err(); err != nil {
					t.Fatalf("DEL %q: %v", key, err)
				}
			}
		},
		Process:  "redlock " + prefix + " " + strings.Join(servers, ","),
		Tokens:   true,
		Fair:     true,
		Lease:    testLease,
		Renewed:  true,
		Parallel: atATime,
		Check: func(t testing.TB) {
			for _, c := range clients {
				redlockLeftovers(t, c, prefix)
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
func redlockLeftovers(t testing.TB, c goredis.UniversalClient, prefix string) {
	leases := time.Now()
	if strings.Contains(t.Name(), "/Processes/") {
		leases = leases.Add(testLease + 2*time.Second)
	}
	each(t, c, func(ctx context.Context, c goredis.Cmdable) {
		for _, key := range c.Keys(ctx, prefix+":*").Val() {
			ttl := c.PTTL(ctx, key).Val()
			switch {
			case key == prefix+":guard":
			case ttl > 0 && (strings.HasSuffix(key, ":f") || strings.HasPrefix(key, prefix+":i:")):
			default:
				for ttl > 0 && time.Now().Before(leases) {
					time.Sleep(10 * time.Millisecond)
					ttl = c.PTTL(ctx, key).Val()
				}
				if c.Exists(ctx, key).Val() == 0 {
					continue
				}
				t.Errorf("the key %q is left, with a TTL of %v", key, ttl)
			}
		}
	})
}
