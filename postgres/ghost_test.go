package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/postgres"
)

// An attempt is not refused because of a wait that this process has given up, from
// whichever side that was: a writer's still stands in the turnstile for a moment.
func TestAWaitThatWasGivenUpRefusesNobody(t *testing.T) {
	const key = "7412"
	for name, c := range map[string]struct {
		opts            *postgres.Options
		hold, wait, try func(*postgres.Provider) core.Lock
	}{
		"reader after writer": {nil,
			func(p *postgres.Provider) core.Lock { return core.Reader(p.NewRWLock("ghost")) },
			func(p *postgres.Provider) core.Lock { return core.Writer(p.NewRWLock("ghost")) },
			func(p *postgres.Provider) core.Lock { return core.Reader(p.NewRWLock("ghost")) }},
		"semaphore after one of another limit": {nil,
			func(p *postgres.Provider) core.Lock { return p.NewSemaphore("ghost", 1) },
			func(p *postgres.Provider) core.Lock { return p.NewSemaphore("ghost", 1) },
			func(p *postgres.Provider) core.Lock { return p.NewSemaphore("ghost", 2) }},
		"reader after a lock with its key": {&postgres.Options{Keys: postgres.Raw},
			func(p *postgres.Provider) core.Lock { return core.Reader(p.NewRWLock(key)) },
			func(p *postgres.Provider) core.Lock { return p.NewLock(key) },
			func(p *postgres.Provider) core.Lock { return core.Reader(p.NewRWLock(key)) }},
	} {
		t.Run(name, func(t *testing.T) {
			theirs, ours := open(t, c.opts), open(t, c.opts)
			held, err := c.hold(theirs).Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for range 5 {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				if _, err := c.wait(ours).Acquire(ctx); !errors.Is(err, core.ErrNotAcquired) {
					t.Errorf("the wait: %v", err)
				}
				cancel()
				h, err := c.try(ours).TryAcquire(t.Context())
				if err != nil {
					t.Errorf("the attempt after it: %v", err)
					continue
				}
				if err := h.Release(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if err := held.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
