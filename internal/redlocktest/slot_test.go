//go:build unix

package redlocktest

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// TestFreePermitWhileTheSlotThatIsOfferedIsHeld has the server at which all wait offer
// one slot only, which somebody holds on the other two: it has forgotten that vote,
// and another of its slots is a vote of a minority. The other slot is free on those
// two, so a waiter gets it and does not wait for that holder.
func TestFreePermitWhileTheSlotThatIsOfferedIsHeld(t *testing.T) {
	t.Parallel()
	w := newWired(t, 3)
	w.opts.Lease = 15 * lease // So that the holder does not ask for its vote again at once.
	p, q := w.open(t), w.open(t)
	h := must[core.Handle](t)(p.NewSemaphore("a", 2).Acquire(t.Context()))
	key := w.opts.Prefix + ":{a}:sem"
	for _, node := range w.RedisNodes {
		c := node.Client()
		defer c.Close()
		eventually(t, lease, "all servers have voted", func() bool { return c.ZCard(t.Context(), key).Val() == 1 })
	}
	first := w.RedisNodes[w.arbiter()].Client()
	defer first.Close()
	held := must[[]string](t)(first.ZRange(t.Context(), key, 0, -1).Result())[0]
	other := map[string]string{"0": "1", "1": "0"}[held]
	const stranger = "a minority|1"
	_, err := first.TxPipelined(t.Context(), func(tx goredis.Pipeliner) error {
		tx.Del(t.Context(), key, key+":f")
		tx.ZAdd(t.Context(), key, goredis.Z{Score: float64(time.Now().Add(time.Hour).UnixMilli()), Member: other})
		tx.HSet(t.Context(), key+":f", "s"+other, stranger, stranger, other)
		return nil
	})
	check(t, err)
	next := soon(t, 3*lease, wait(t, q.NewSemaphore("a", 2)))
	check(t, h.Err())
	check(t, next.Release(t.Context()))
	check(t, h.Release(t.Context()))
}
