//go:build unix

package redlocktest

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
)

// TestChaos kills servers and restarts them empty, and freezes them, at random,
// while processes compete: no two handles are valid at one moment, and no token is
// smaller than one before. DISTLOCK_CHAOS sets for how long.
func TestChaos(t *testing.T) {
	d := 60 * time.Second
	if testing.Short() {
		d = 5 * time.Second
	}
	if s := os.Getenv("DISTLOCK_CHAOS"); s != "" {
		d = must[time.Duration](t)(time.ParseDuration(s))
	}
	f := newFleet(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()

	var tasks sync.WaitGroup
	var held, lost atomic.Int64
	var books [3]book
	for w := range 12 {
		p := f.open(t)
		tasks.Go(func() {
			for ctx.Err() == nil {
				i := rand.N(len(books))
				within, cancel := context.WithTimeout(ctx, time.Duration(50+rand.N(3000))*time.Millisecond)
				h, err := object(p, i).Acquire(within)
				cancel()
				if err != nil {
					time.Sleep(time.Duration(rand.N(20)) * time.Millisecond)
					continue
				}
				held.Add(1)
				books[i].enter(t, w, h)
				select {
				case <-time.After(time.Duration(rand.N(10)) * time.Millisecond):
				case <-h.Done():
					lost.Add(1)
				}
				if rand.N(50) == 0 {
					<-time.After(lease / 2)
				}
				_ = h.Release(ctx)
			}
		})
	}
	tasks.Go(func() { torment(ctx, t, f.RedisNodes) })
	tasks.Wait()
	t.Logf("%d holds, %d of them lost", held.Load(), lost.Load())
	if held.Load() < 20 {
		t.Errorf("only %d holds in %v: nothing went on", held.Load(), d)
	}
}

func object(p core.Provider, i int) core.Lock {
	switch i {
	case 0:
		return p.NewLock("a")
	case 1:
		return core.Writer(p.NewRWLock("a"))
	default:
		return p.NewSemaphore("a", 1)
	}
}

// A book is who holds one object.
type book struct {
	mu    sync.Mutex
	last  core.Handle
	by    int
	token uint64
}

func (b *book) enter(t *testing.T, who int, h core.Handle) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// The new one first: that the old one still says it holds, later, is then a lie.
	if h.Err() == nil && b.last != nil && b.last.Err() == nil && h.Err() == nil {
		t.Errorf("%d holds with token %d while %d holds with token %d", who, h.Token(), b.by, b.token)
	}
	if h.Token() <= b.token {
		t.Errorf("the token %d of %d comes after %d of %d", h.Token(), who, b.token, b.by)
	}
	b.last, b.by, b.token = h, who, max(b.token, h.Token())
}

// torment has one server at a time in trouble, and now and then two.
func torment(ctx context.Context, t *testing.T, nodes testenv.RedisNodes) {
	pause := func(d time.Duration) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		pause(time.Duration(rand.N(1000)) * time.Millisecond)
		troubled := rand.Perm(len(nodes))[:1+rand.N(4)/3]
		how := make([]bool, len(nodes))
		for _, i := range troubled {
			if how[i] = rand.N(2) == 0; how[i] {
				check(t, nodes[i].Kill())
			} else {
				check(t, nodes[i].Pause())
			}
		}
		pause(time.Duration(rand.N(3000)) * time.Millisecond)
		for _, i := range troubled {
			if how[i] {
				if err := nodes[i].Start(context.Background()); err != nil {
					t.Errorf("server %s: %v", nodes[i].Addr(), err)
				}
			} else {
				check(t, nodes[i].Continue())
			}
		}
	}
}
