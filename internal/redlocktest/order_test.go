//go:build unix

package redlocktest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
)

// TestOrderWhateverTheServersDo has the waiters of one process come one after the
// other, and some give up, while the server at which they wait goes away and comes
// back and all networks are slow now and then: the others are served in the order
// in which they came.
func TestOrderWhateverTheServersDo(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"lock", "writer", "permit"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWired(t, 3)
			p := w.open(t)
			object := func() core.Lock {
				switch kind {
				case "lock":
					return p.NewLock("a")
				case "writer":
					return core.Writer(p.NewRWLock("a"))
				default:
					return p.NewSemaphore("a", 1)
				}
			}
			first := must[core.Handle](t)(object().Acquire(t.Context()))
			ctx, cancel := context.WithCancel(t.Context())
			var trouble sync.WaitGroup
			defer trouble.Wait()
			defer cancel()
			trouble.Go(func() { w.unrest(ctx) })
			served := make(chan int, 10)
			var all sync.WaitGroup
			for i := range 10 {
				waiting := t.Context()
				if i%3 == 0 {
					short, stop := context.WithTimeout(waiting, 100*time.Millisecond+rand.N(300*time.Millisecond))
					defer stop()
					waiting = short
				}
				l, begun := object(), make(chan struct{})
				all.Go(func() {
					close(begun)
					h, err := l.Acquire(waiting)
					if err != nil {
						if i%3 != 0 {
							t.Errorf("waiter %d: %v", i, err)
						}
						return
					}
					served <- i
					_ = h.Release(context.Background())
				})
				<-begun
				time.Sleep(50 * time.Millisecond) // It has its stand in a few microseconds.
			}
			_ = first.Release(context.Background())
			all.Wait()
			close(served)
			last := -1
			for i := range served {
				if i < last {
					t.Errorf("waiter %d is served after waiter %d", i, last)
				}
				last = i
			}
			if last < 8 {
				t.Errorf("waiter %d is the last, and waiter 8 was not served", last)
			}
		})
	}
}

// unrest has the server at which all wait go away now and then, and every network
// be slower now and then than anybody waits for.
func (w *wired) unrest(ctx context.Context) {
	for ctx.Err() == nil {
		for _, wire := range w.wires {
			wire.SetDelay(faultproxy.Up, rand.N(150*time.Millisecond))
			wire.SetDelay(faultproxy.Down, rand.N(150*time.Millisecond))
		}
		away := w.wires[w.arbiter()]
		away.BlackHole()
		pause(ctx, rand.N(300*time.Millisecond))
		away.Heal()
		pause(ctx, rand.N(300*time.Millisecond))
	}
}

// TestLateRequestOfAWaiter keeps back the first request of a waiter until the
// waiter has asked once more, was granted the lock and has released it. The server
// carries it out then, and grants what nobody waits for any more: that is given
// back, and does not last for a lease.
func TestLateRequestOfAWaiter(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	p := w.open(t)
	check(t, must[core.Handle](t)(p.NewLock("warm").Acquire(t.Context())).Release(t.Context()))
	arb := w.arbiter()
	key := []byte(w.opts.Prefix + ":{a}")
	late, delivered := make(chan struct{}), make(chan struct{})
	for i, wire := range w.wires {
		if i != arb && i != (arb+1)%3 {
			continue
		}
		var once sync.Once
		wire.SetHook(func(e faultproxy.Event) faultproxy.Action {
			if e.Direction != faultproxy.Up || !bytes.Contains(e.Data, key) {
				return faultproxy.Forward
			}
			first := false
			once.Do(func() { first = true })
			if first {
				select {
				case <-late:
				case <-e.Closed:
				}
				if i == arb {
					defer close(delivered)
				}
			}
			return faultproxy.Forward
		})
	}
	h := must[core.Handle](t)(p.NewLock("a").Acquire(t.Context()))
	check(t, h.Release(t.Context()))
	close(late)
	<-delivered
	time.Sleep(20 * time.Millisecond) // It may not have been granted yet; to look too early is no false alarm.
	eventually(t, lease/2, "what was granted late is given back", func() bool { return !w.holds(t, arb, "a") })
}

// TestWriterKeepsLaterReadersOut has a reader hold without the vote of the server
// at which all wait, as if its request had been overtaken there by that of a
// writer: the writer waits on, and no later reader gets in before it. A process
// that takes that server for down, because it is late, knows nothing of the
// writer; on a machine that is so busy the test begins again.
func TestWriterKeepsLaterReadersOut(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	p, q := w.open(t), w.open(t)
	for _, name := range []string{"a", "b", "c"} {
		if w.writerKeepsReadersOut(t, p, q, name) {
			return
		}
	}
	t.Error("three times, a later reader got in before the writer that waits")
}

func (w *wired) writerKeepsReadersOut(t *testing.T, p, q core.Provider, name string) bool {
	reader := must[core.Handle](t)(p.NewRWLock(name).AcquireRead(t.Context()))
	arb := w.RedisNodes[w.arbiter()].Client()
	defer arb.Close()
	key := w.opts.Prefix + ":{" + name + "}:rw"
	eventually(t, lease, "all servers have voted", func() bool {
		for i := range w.RedisNodes {
			c := w.RedisNodes[i].Client()
			voted := c.ZCard(t.Context(), key).Val() == 1
			_ = c.Close()
			if !voted {
				return false
			}
		}
		return true
	})
	check(t, arb.Del(t.Context(), key).Err())
	got := wait(t, core.Writer(q.NewRWLock(name)))
	eventually(t, lease, "the writer, or the reader again, has the vote of that server", func() bool { return arb.ZCard(t.Context(), key).Val() == 1 })
	kept := true
	for end := time.Now().Add(lease / 2); kept && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if h, err := p.NewRWLock(name).TryAcquireRead(t.Context()); err == nil {
			kept = false
			_ = h.Release(t.Context())
		}
	}
	// The lease of the reader may run out on such a machine, which is no failure here.
	if err := reader.Release(t.Context()); err != nil && !errors.Is(err, core.ErrLost) {
		t.Error(err)
	}
	check(t, soon(t, 5*lease, got).Release(t.Context()))
	return kept
}
