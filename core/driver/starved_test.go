package driver

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A process that hardly gets to run, with a thousand busy goroutines on one
// processor, renews its lease in time or is told that it is lost: it never takes
// for held what the server has taken for lapsed. Whether it is renewed is not the
// question; the machine may be slower than that.
func TestAStarvedProcessIsToldInTime(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	f := &fake{term: time.Second}
	e := f.engine(t, func(c *Config) { c.Lease = time.Second })
	var busy sync.WaitGroup
	var over atomic.Bool
	for range 1000 {
		busy.Go(func() {
			for n := 0; !over.Load(); n++ {
				if n%1000 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	looks := 0
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		h, err := f.lock(e, "a").Acquire(t.Context())
		if err != nil {
			continue // The grant was too old when it arrived.
		}
		for h.Err() == nil && time.Now().Before(end) {
			// The server is asked first: what it has let go does not come back,
			// however long it takes until the handle is asked.
			held := f.held("a")
			if err := h.Err(); !held && err == nil {
				t.Error("the server has let go of what the handle says is held")
			}
			looks++
			time.Sleep(time.Millisecond)
		}
		_ = h.Release(t.Context())
	}
	over.Store(true)
	busy.Wait()
	t.Logf("looked %d times, with %d renewals", looks, len(f.renewals(time.Time{})))
}
