package redis

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// placed returns a hold of a lock in a provider that the test closes.
func placed(t *testing.T, client goredis.UniversalClient) func(name string) *hold {
	t.Helper()
	p, err := New(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Close()
		_ = client.Close()
	})
	return func(name string) *hold { return &hold{c: p.claimer(core.KindLock, name, 'w', 1)} }
}

// Holds are of one server if the masters of their slots are one, as the driver knows
// them now.
func TestServerIsTheMasterOfTheSlot(t *testing.T) {
	var border atomic.Int64
	border.Store(8192)
	client := goredis.NewClusterClient(&goredis.ClusterOptions{
		ClusterSlots: func(context.Context) ([]goredis.ClusterSlot, error) {
			at := int(border.Load())
			return []goredis.ClusterSlot{
				{Start: 0, End: at - 1, Nodes: []goredis.ClusterNode{{Addr: "127.0.0.1:1"}}},
				{Start: at, End: 16383, Nodes: []goredis.ClusterNode{{Addr: "127.0.0.1:2"}}},
			}, nil
		},
	})
	hold := placed(t, client)
	// The slots of {b}, {c} and {a} are 3300, 7365 and 15495.
	low, middle, high := hold("b"), hold("c"), hold("a")
	if _, err := client.MasterForKey(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if low.Server() == nil || low.Server() != middle.Server() || low.Server() == high.Server() {
		t.Errorf("the servers are %v, %v and %v, want the third one to differ", low.Server(), middle.Server(), high.Server())
	}
	border.Store(5000)
	client.ReloadState(t.Context())
	for end := time.Now().Add(10 * time.Second); middle.Server() != high.Server(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a slot has moved, and its hold has not")
		}
	}
	if low.Server() == high.Server() {
		t.Error("a hold has moved with the slot of another one")
	}
}

// To tell takes no round trip, whatever is known.
func TestServerAsksNobody(t *testing.T) {
	one, came := silent(t, time.Minute, false)
	if s := placed(t, one)("a").Server(); s != nil {
		t.Errorf("the only server is %v, want nothing that tells it from others", s)
	}
	unknown := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{one.Options().Addr}, ReadTimeout: time.Minute})
	began := time.Now()
	if s := placed(t, unknown)("a").Server(); s != nil {
		t.Errorf("the server is %v, and nobody was asked", s)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to tell a server", took)
	}
	if len(came) != 0 {
		t.Errorf("%d connections were made", len(came))
	}
}
