package memory

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A server keeps nothing of what nobody uses, whatever became of those who did.
func TestServerForgets(t *testing.T) {
	p, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithTimeout(context.Background(), rand.N(200*time.Microsecond))
				name := strconv.Itoa(i % 7)
				l := []core.Lock{p.NewLock(name), core.Reader(p.NewRWLock(name)), core.Writer(p.NewRWLock(name)), p.NewSemaphore(name, 2)}[i%4]
				if h, err := l.Acquire(ctx); err == nil {
					_ = h.Release(ctx)
				}
				cancel()
			}
		})
	}
	all.Wait()
	p.server.mu.Lock()
	defer p.server.mu.Unlock()
	if len(p.server.objects) != 0 {
		t.Errorf("the server keeps %d objects that nobody uses", len(p.server.objects))
	}
}
