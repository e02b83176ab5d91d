//go:build unix

package redistest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/internal/testenv"
)

// Names that were used once cost nothing afterwards: not the process, nor, when
// the time for which tokens are kept is over, the server.
func TestManyNamesLeaveNothing(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	o := lenient()
	o.Lease, o.TokenRetention = 10*time.Second, time.Minute
	p, c := open(t, server.URL(), o), admin(t, server)
	use := func(from, n int) (heap uint64) {
		var all sync.WaitGroup
		const at = 50
		for i := range at {
			all.Go(func() {
				for k := from + i; k < from+n; k += at {
					h, err := p.NewLock(fmt.Sprint("name ", k)).Acquire(context.Background())
					if err == nil {
						err = h.Release(context.Background())
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const many = 10000
	// A connection that happens to be made, with its buffers, is no leak: names that
	// leave something do so every time.
	before, grown := use(0, many), int64(0)
	for round := 1; round < 5; round++ {
		after := use(round*many, many)
		if grown = int64(after) - int64(before); grown <= many*8 {
			break
		}
		before = after
	}
	if grown > many*8 {
		t.Errorf("%d names that were used have left %d bytes", many, grown)
	}
	for _, key := range c.Keys(context.Background(), "*").Val() {
		who := strings.HasPrefix(key, "distlock:i:") // the process, once
		if ttl := c.PTTL(context.Background(), key).Val(); ttl <= 0 || ttl > o.TokenRetention && !who {
			t.Fatalf("the key %q is left, with a TTL of %v", key, ttl)
		}
	}
}
