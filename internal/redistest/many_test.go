//go:build unix

package redistest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// Many processes have died in the queue, more than one script removes: who lives and
// waits behind them gets the object next, and soon, and before one who comes later.
func TestManyHaveDiedInTheQueue(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	o := &redis.Options{Lease: 60 * time.Second, Claim: 30 * time.Second, WaitLease: 90 * time.Second, Timeout: 10 * time.Second}
	for kind, with := range map[string]struct {
		lock  func(core.Provider, string) core.Lock
		queue string
	}{
		"lock":      {func(p core.Provider, name string) core.Lock { return p.NewLock(name) }, "distlock:{%s}:q"},
		"rwlock":    {func(p core.Provider, name string) core.Lock { return core.Writer(p.NewRWLock(name)) }, "distlock:{%s}:rw:q"},
		"semaphore": {func(p core.Provider, name string) core.Lock { return p.NewSemaphore(name, 1) }, "distlock:{%s}:sem:q"},
	} {
		for _, many := range []int{250, 9000} {
			name := fmt.Sprint(kind, many)
			t.Run(name, func(t *testing.T) {
				p, q := open(t, server.URL(), o), open(t, server.URL(), o)
				listening(t, c, q)
				h := acquire(t, with.lock(p, name))
				w := waiting(patient(t), with.lock(q, name))
				queue := fmt.Sprintf(with.queue, name)
				eventually(t, "the waiter is in the queue", 10*time.Second, func() bool { return c.ZCard(t.Context(), queue).Val() == 1 })
				before := float64(time.Now().Add(-time.Hour).UnixMicro())
				died := make([]goredis.Z, many)
				for i := range died {
					died[i] = goredis.Z{Score: before + float64(i), Member: fmt.Sprintf("%024x|1|w|1|1", i)}
				}
				if err := c.ZAdd(t.Context(), queue, died...).Err(); err != nil {
					t.Fatal(err)
				}
				release(t, h)
				began := time.Now()
				var later <-chan outcome
				if many > 250 {
					if h, err := with.lock(p, name).TryAcquire(patient(t)); !errors.Is(err, core.ErrNotAcquired) {
						t.Fatalf("one who came later, and did not wait, got %v, %v", h, err)
					}
					later = waiting(patient(t), with.lock(p, name))
				}
				var first outcome
				select {
				case first = <-w:
				case o := <-later:
					t.Fatalf("one who came later is before one who waits: %v", o.err)
				case <-time.After(10 * time.Second):
					t.Fatal("nobody is let in")
				}
				if first.err != nil {
					t.Fatal(first.err)
				}
				if d := time.Since(began); d > 5*time.Second {
					t.Errorf("the waiter got in after %v", d)
				}
				release(t, first.h)
				if later != nil {
					release(t, granted(t, later))
				}
			})
		}
	}
}

// More readers than one script ends are broken all the same, and each is told.
func TestManyReadersAreBroken(t *testing.T) {
	t.Parallel()
	const many = 450
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	o := lenient()
	o.Lease, o.WaitLease = 60*time.Second, 90*time.Second
	p, q := open(t, server.URL(), o), open(t, server.URL(), o)
	listening(t, c, p)
	var readers []core.Handle
	for range many {
		readers = append(readers, acquire(t, core.Reader(p.NewRWLock("x"))))
	}
	w := waiting(patient(t), core.Writer(q.NewRWLock("x")))
	eventually(t, "the writer is in the queue", 10*time.Second, func() bool {
		return c.ZCard(context.Background(), "distlock:{x}:rw:q").Val() == 1
	})
	if n, err := q.Break(patient(t), core.KindRWLock, "x"); n != many || err != nil {
		t.Errorf("Break returned %d, %v", n, err)
	}
	release(t, granted(t, w))
	for i, r := range readers {
		select {
		case <-r.Done():
			if !errors.Is(r.Err(), core.ErrLost) {
				t.Fatalf("reader %d: %v", i, r.Err())
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("reader %d is not told", i)
		}
	}
}
