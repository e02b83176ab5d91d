package redlocktest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/clockshift"
	"github.com/distlock/distlock-go/internal/testenv"
)

// The clock of one server of three is set an hour ahead, back, and right again. Its
// votes end early or late then; but the others are a majority, so nobody else gets
// in, no hold is lost, and tokens go on growing.
func TestClockOfOneServer(t *testing.T) {
	t.Parallel()
	clocks, err := clockshift.New(3)
	check(t, err)
	t.Cleanup(func() { _ = clocks.Close() })
	f := &fleet{opts: *options(fmt.Sprintf("t%d", prefixes.Add(1)))}
	for _, c := range clocks.All {
		f.RedisNodes = append(f.RedisNodes, testenv.NewRedis(t, testenv.RedisConfig{Env: c.Environ()}))
	}
	p, q := f.open(t), f.open(t)
	check(t, p.Bootstrap(t.Context()))
	objects := func(p core.Provider) []core.Lock {
		return []core.Lock{p.NewLock("a"), core.Writer(p.NewRWLock("a")), p.NewSemaphore("a", 1)}
	}
	var held []core.Handle
	for _, l := range objects(p) {
		held = append(held, must[core.Handle](t)(l.Acquire(t.Context())))
	}
	for _, shift := range []time.Duration{time.Hour, -time.Hour, 0} {
		clocks.All[0].Shift(shift)
		for end := time.Now().Add(lease * 2 / 3); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			for i, l := range objects(q) {
				if h, err := l.TryAcquire(t.Context()); err == nil || !errors.Is(err, core.ErrNotAcquired) {
					t.Fatalf("with a clock off by %v another one got %v, %v", shift, h, err)
				}
				check(t, held[i].Err())
			}
		}
	}
	for i, l := range objects(q) {
		check(t, held[i].Release(t.Context()))
		h := must[core.Handle](t)(l.Acquire(t.Context()))
		if h.Token() <= held[i].Token() {
			t.Errorf("token %d after %d", h.Token(), held[i].Token())
		}
		check(t, h.Release(t.Context()))
	}
}
