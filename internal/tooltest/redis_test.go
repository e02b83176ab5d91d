//go:build unix

package tooltest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// do runs commands at a server.
func do(t *testing.T, server *testenv.Redis, commands ...string) {
	t.Helper()
	c := server.Client()
	defer c.Close()
	for _, command := range commands {
		var args []any
		for word := range strings.FieldsSeq(command) {
			args = append(args, word)
		}
		if err := c.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
}

func TestRedis(t *testing.T) {
	server := testenv.NewRedis(t, testenv.RedisConfig{})
	doctor(t, server.URL(), 0).healthy(t, "redis")
	// A broken hold is noticed when its lease would be renewed.
	operate(t, with(server.URL(), "lease=1s&claim=500ms"), true)

	t.Run("eviction policy", func(t *testing.T) {
		do(t, server, "config set maxmemory-policy allkeys-lru", "config set maxmemory 100mb")
		defer do(t, server, "config set maxmemory-policy noeviction")
		doctor(t, server.URL(), 1).warns(t, "maxmemory-policy is allkeys-lru", "set noeviction")
	})
	t.Run("missing rights", func(t *testing.T) {
		do(t, server, "acl setuser locker on >pw "+strings.Join(redis.ACL("", false), " "))
		locker := strings.Replace(server.URL(), "redis://", "redis://locker:pw@", 1)
		doctor(t, locker, 1).warns(t, "INFO is not permitted", "grant +info")
		do(t, server, "acl setuser locker +info -evalsha -eval")
		doctor(t, locker, 69).unusable(t, "grant the rights")
		doctor(t, strings.Replace(server.URL(), "redis://", "redis://locker:wrong@", 1), 69).unusable(t, "check the user name and the password")
	})
	t.Run("replica", func(t *testing.T) {
		replica := testenv.NewRedis(t, testenv.RedisConfig{})
		host, port, _ := strings.Cut(server.Addr(), ":")
		do(t, replica, "replicaof "+host+" "+port)
		doctor(t, replica.URL(), 69).unusable(t, "this is a replica; connect to the master")
	})
}

// shifted changes the answer to TIME: it is what a server would say whose clock is
// a hundred seconds off.
func shifted(e faultproxy.Event) faultproxy.Action {
	const answer = "*2\r\n$10\r\n"
	if e.Direction == faultproxy.Down && bytes.HasPrefix(e.Data, []byte(answer)) {
		if digit := &e.Data[len(answer)+7]; *digit == '9' {
			*digit = '8'
		} else {
			*digit++
		}
	}
	return faultproxy.Forward
}

func TestRedLock(t *testing.T) {
	servers := testenv.NewRedisNodes(t, 3, testenv.RedisConfig{})
	addrs := servers.Addrs()
	const parameters = "/?mode=redlock&lease=1s&claim=500ms"
	url := "redis://" + strings.Join(addrs, ",") + parameters

	// New servers do not vote yet, and the doctor says how long.
	if d := doctor(t, url, 1); d.Backend != "redlock" || d.Facts["servers"] != "3 of 3 are up" {
		t.Errorf("it says %+v", d)
	} else {
		d.warns(t, "quarantined", "votes after the length of a lease")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if command(t, url, "doctor").Run() == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the servers do not come out of quarantine")
		}
	}
	doctor(t, url, 0).healthy(t, "redlock")
	operate(t, url, true)

	t.Run("clock", func(t *testing.T) {
		proxy := faultproxy.New(t, addrs[0])
		proxy.SetHook(shifted)
		d := doctor(t, "redis://"+proxy.Addr()+","+addrs[1]+","+addrs[2]+parameters, 1)
		d.warns(t, "the clocks of two servers differ by", "NTP")
	})
	t.Run("snapshots", func(t *testing.T) {
		do(t, servers[1], "config set appendonly yes", "config set appendfsync everysec")
		doctor(t, url, 1).warns(t, addrs[1], "appendfsync is everysec", "set appendfsync always")
		do(t, servers[1], "config set appendonly no")
	})
	t.Run("server down", func(t *testing.T) {
		if err := servers[0].Kill(); err != nil {
			t.Fatal(err)
		}
		d := doctor(t, url, 1)
		d.warns(t, addrs[0])
		d.warns(t, "2 of 3 servers are up, and 2 are needed")
		if err := servers[1].Kill(); err != nil {
			t.Fatal(err)
		}
		doctor(t, url, 69).unusable(t, "no majority")
	})
}
