package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

func TestBadOptions(t *testing.T) {
	c := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1"})
	defer c.Close()
	for name, o := range map[string]Options{
		"short lease":     {Lease: time.Millisecond},
		"negative lease":  {Lease: -1},
		"eternal lease":   {Lease: 30 * 365 * 24 * time.Hour, TokenRetention: 31 * 365 * 24 * time.Hour},
		"long claim":      {Lease: time.Second, Claim: 2 * time.Second},
		"short claim":     {Claim: time.Millisecond},
		"short wait":      {WaitLease: time.Millisecond},
		"short memory":    {Lease: time.Minute, TokenRetention: time.Second},
		"negative hold":   {MaxHold: -1},
		"negative acks":   {ReplicaAcks: -1},
		"no time at all":  {Timeout: time.Microsecond},
		"braces":          {Prefix: "a{b}"},
		"wildcard":        {Prefix: "a*"},
		"space":           {Prefix: "a b"},
		"quote":           {Prefix: `a"`},
		"newline":         {Prefix: "a\nb"},
		"no plain letter": {Prefix: "é"},
	} {
		if _, err := New(c, &o); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: New returned %v", name, err)
		}
	}
}

func TestBadClients(t *testing.T) {
	ring := goredis.NewRing(&goredis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	defer ring.Close()
	var none *goredis.Client
	var nobody *goredis.ClusterClient
	for name, c := range map[string]goredis.UniversalClient{"ring": ring, "nil": nil, "nil client": none, "nil cluster": nobody, "other": struct{ goredis.UniversalClient }{}} {
		if _, err := New(c, nil); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: New returned %v", name, err)
		}
	}
}

func TestBadURLs(t *testing.T) {
	for _, u := range []string{
		"", "localhost", "http://localhost", "redis://", "redis://a,,b/?mode=cluster", "redis://a,b", "redis://a/x", "redis://a/-1",
		"redis://a/?lease=long", "redis://a/?lease=1ms", "redis://a/?colour=red", "redis://a/?lease=2s&lease=3s", "redis://a/?mode=ring",
		"redis://a/?mode=sentinel", "redis://a/?master=m", "redis://a/3?mode=cluster", "redis://a/?protocol=4", "redis://a/?pool=0",
		"redis://a/?ca=/no/such/file", "rediss://a/?ca=/no/such/file", "rediss://a/?insecure=perhaps", "unix://host/path", "unix://",
		"redis://me:hunter2@a/?lease=1ms", "redis://me:hunter%zz2@a", "redis://me:hunter2@a b/%zz", "redis://a/?prefix=a%20b",
		"redis://me:x/hunter2@a/", "redis://me:x?hunter2@a", "redis://:hunter2#1@a", "redis://me:x/?hunter2=@a",
		"redis://a/2?db=3", "redis://a/?sentinel_user=u", "redis://a,b/?mode=cluster&sentinel_password=hunter2",
	} {
		p, err := Open(context.Background(), u, nil)
		if err == nil {
			_ = p.Close()
		}
		if !errors.Is(err, core.ErrInvalid) {
			t.Errorf("Open(%q) returned %v", u, err)
		} else if strings.Contains(err.Error(), "hunter") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func TestURLs(t *testing.T) {
	for u, want := range map[string]target{
		"redis://localhost":                                   {network: "tcp", addrs: []string{"localhost:6379"}, protocol: 3, pool: 8},
		"redis://u:p%40w@h:1/2?protocol=2&pool=3":             {network: "tcp", addrs: []string{"h:1"}, user: "u", password: "p@w", db: 2, protocol: 2, pool: 3},
		"redis://[::1]:7/":                                    {network: "tcp", addrs: []string{"[::1]:7"}, protocol: 3, pool: 8},
		"redis://a,b:2/?mode=cluster":                         {network: "tcp", mode: "cluster", addrs: []string{"a:6379", "b:2"}, protocol: 3, pool: 8},
		"redis://a,b:2/4?mode=sentinel&master=m":              {network: "tcp", mode: "sentinel", master: "m", addrs: []string{"a:26379", "b:2"}, db: 4, protocol: 3, pool: 8},
		"unix:///run/redis.sock?db=1":                         {network: "unix", addrs: []string{"/run/redis.sock"}, db: 1, protocol: 3, pool: 8},
		"redis://:pw@a/?lease=20s&replica_acks=2&prefix=mine": {network: "tcp", addrs: []string{"a:6379"}, password: "pw", protocol: 3, pool: 8, opts: Options{Lease: 20 * time.Second, ReplicaAcks: 2, Prefix: "mine"}},
	} {
		got, err := parseURL(u, nil)
		if err != nil {
			t.Errorf("%s: %v", u, err)
			continue
		}
		if g, w := got.summary(), want.summary(); g != w {
			t.Errorf("%s:\n got %s\nwant %s", u, g, w)
		}
	}
}

// summary is all of a target that can be compared.
func (t *target) summary() string {
	return fmt.Sprintf("%q %q %q %q %q %q %d %d %d %v %+v", t.mode, t.network, t.addrs, t.user, t.password, t.master, t.db, t.protocol, t.pool, t.tls != nil, t.opts)
}

// FuzzURL looks for a panic, and for a password in an error.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"redis://u:SECRET@h:1/2?lease=1s", "redis://a,b/?mode=cluster", "://@?#", "redis://[::1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, u string) {
		if _, err := parseURL("redis://u:SECRET@"+u, nil); err != nil {
			if !errors.Is(err, core.ErrInvalid) || strings.Contains(err.Error(), "SECRET") && !strings.Contains(u, "SECRET") {
				t.Fatalf("%q: %v", u, err)
			}
		}
	})
}
