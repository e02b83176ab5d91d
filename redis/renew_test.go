package redis

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// testServer returns a client of the server that the environment names, whose
// address is not needed for anything else.
func testServer(t testing.TB) *goredis.Client {
	t.Helper()
	url := os.Getenv("DISTLOCK_TEST_REDIS")
	if url == "" {
		if os.Getenv("DISTLOCK_REQUIRE_SERVERS") == "1" {
			t.Fatal("DISTLOCK_TEST_REDIS is not set")
		}
		t.Skip("DISTLOCK_TEST_REDIS is not set: no server to test with")
	}
	o, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := goredis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// BenchmarkRenew is one round of renewals of 10 000 holds of each family.
func BenchmarkRenew(b *testing.B) {
	c := testServer(b)
	for _, kind := range []core.Kind{core.KindLock, core.KindSemaphore} {
		b.Run(string(kind), func(b *testing.B) {
			p, err := New(c, &Options{Prefix: "renew" + newInst()})
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			var claims []driver.Claim
			for i := range 10_000 {
				claim, err := p.sides(kind, fmt.Sprint(i))[0].Claim(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				claims = append(claims, claim)
			}
			for b.Loop() {
				for _, err := range p.Renew(context.Background(), claims) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.StopTimer()
			for _, claim := range claims {
				if err := claim.Release(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Many holds cost a bounded number of goroutines, little memory each, and none
// is lost over several leases.
func TestManyHolds(t *testing.T) {
	c := testServer(t)
	n := 2000
	if os.Getenv("DISTLOCK_MANY_HOLDS") != "" { // 100 000, by hand.
		_, _ = fmt.Sscan(os.Getenv("DISTLOCK_MANY_HOLDS"), &n)
	}
	o := &Options{Prefix: "many" + newInst(), Lease: 2 * time.Second}
	if n > 10_000 {
		o.Lease = 15 * time.Second
	}
	p, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	warm, err := p.NewLock("warm").Acquire(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = warm.Release(context.Background()) }()
	time.Sleep(2 * lasting) // It listens by now.
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	idle := runtime.NumGoroutine()
	handles := make([]core.Handle, 0, n)
	for i := range n {
		h, err := p.NewLock(fmt.Sprint(i)).Acquire(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		handles = append(handles, h)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	most := 0
	for end := time.Now().Add(3 * o.Lease); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		most = max(most, runtime.NumGoroutine()-idle)
	}
	for i, h := range handles {
		if err := h.Err(); err != nil {
			t.Fatalf("hold %d of %d: %v", i, n, err)
		}
	}
	t.Logf("%d holds: %d goroutines above idle, %d bytes per hold", n, most, (int64(after.HeapAlloc)-int64(before.HeapAlloc))/int64(n))
	if most > 12 {
		t.Errorf("%d holds cost %d goroutines", n, most)
	}
	for _, h := range handles {
		if err := h.Release(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// A cluster or a server that is not there delays no call beyond its context.
func TestNobodyThere(t *testing.T) {
	c := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1"})
	defer c.Close()
	p, err := New(c, &Options{ReleaseTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := p.NewLock("a").Acquire(ctx); err == nil {
		t.Error("a lock without a server")
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("Acquire took %v; its context 50ms", d)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
