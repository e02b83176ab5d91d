package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/distlock/distlock-go/core"
)

// Attempts and releases of concurrent callers share statements, and each caller is
// told what came of its own: who holds the lock, a token of its own, or that it is
// held elsewhere.
func TestEachIsToldItsOwnOutcome(t *testing.T) {
	const names, rounds = 100, 20
	theirs, p, c := open(t, nil), open(t, nil), admin(t)
	name := func(i int) string { return fmt.Sprint(t.Name(), i) }
	var held []core.Handle
	for i := 0; i < names; i += 3 {
		h, err := theirs.NewLock(name(i)).Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, h)
	}
	tokens := make([][]uint64, names)
	var all sync.WaitGroup
	for i := range names {
		all.Go(func() {
			l := p.NewLock(name(i))
			for range rounds {
				h, err := l.TryAcquire(t.Context())
				if free := i%3 != 0; free != (err == nil) || !free && !errors.Is(err, core.ErrNotAcquired) {
					t.Errorf("lock %d: %v", i, err)
				}
				if err != nil {
					continue
				}
				tokens[i] = append(tokens[i], h.Token())
				if err := h.Err(); err != nil {
					t.Errorf("the hold of lock %d ended: %v", i, err)
				}
				if err := h.Release(t.Context()); err != nil {
					t.Errorf("the release of lock %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
	seen := make(map[uint64]bool)
	for i, drawn := range tokens {
		for n, token := range drawn {
			if token == 0 || seen[token] || n > 0 && token <= drawn[n-1] {
				t.Errorf("lock %d has the token %d after %v", i, token, drawn[:n])
			}
			seen[token] = true
		}
	}
	if _, locks := ours(t, c); locks != len(held) {
		t.Errorf("%d locks are held, want those of the other provider, %d", locks, len(held))
	}
	for _, h := range held {
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
