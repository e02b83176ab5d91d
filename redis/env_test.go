package redis_test

import (
	"context"
	"os"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"
)

// Where the servers are, and whether a test may do without.
const (
	serverVar   = "DISTLOCK_TEST_REDIS"
	clusterVar  = "DISTLOCK_TEST_REDIS_CLUSTER"
	sentinelVar = "DISTLOCK_TEST_REDIS_SENTINEL"
	requireVar  = "DISTLOCK_REQUIRE_SERVERS"
)

// need returns a variable, or skips the test.
func need(t testing.TB, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		if os.Getenv(requireVar) == "1" {
			t.Fatalf("%s is not set", name)
		}
		t.Skipf("%s is not set: no server to test with", name)
	}
	return v
}

// connect returns a client for what a variable names, with the driver's
// defaults: those are what most users have.
func connect(variable, value string) (goredis.UniversalClient, error) {
	switch variable {
	case clusterVar:
		return goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: strings.Split(value, ",")}), nil
	case sentinelVar:
		name, addrs, _ := strings.Cut(value, "@")
		return goredis.NewFailoverClient(&goredis.FailoverOptions{MasterName: name, SentinelAddrs: strings.Split(addrs, ",")}), nil
	default:
		o, err := goredis.ParseURL(value)
		if err != nil {
			return nil, err
		}
		return goredis.NewClient(o), nil
	}
}

func client(t testing.TB, variable string) goredis.UniversalClient {
	t.Helper()
	c, err := connect(variable, need(t, variable))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Ping(context.Background()).Err(); err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return c
}
