package driver

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
)

// handedOver lets n goroutines of one engine take a lock one after the other,
// each for hold, and returns the tokens and how often the server was asked.
func handedOver(t *testing.T, bound Handoff, n int, hold time.Duration) ([]uint64, int) {
	t.Helper()
	var tokens []uint64
	f := &fake{}
	e := f.engine(t, func(c *Config) { c.LocalHandoff = bound })
	first := acquire(t, f.lock(e, "a"))
	done := make(chan struct{})
	for range n {
		go func() {
			h := acquire(t, f.lock(e, "a"))
			time.Sleep(hold)
			if err := h.Err(); err != nil {
				t.Errorf("a hold that was passed on: %v", err)
			}
			tokens = append(tokens, h.Token())
			if err := h.Release(t.Context()); err != nil {
				t.Errorf("Release: %v", err)
			}
			done <- struct{}{}
		}()
		synctest.Wait()
	}
	first.Release(t.Context())
	for range n {
		<-done
	}
	synctest.Wait()
	if f.held("a") {
		t.Error("the lock is held at the end")
	}
	return tokens, f.freed
}

func TestLocalHandoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, freed := handedOver(t, Handoff{Count: 4, For: time.Hour}, 11, 0)
		if freed != 3 { // 12 holds, in chains of 5.
			t.Errorf("the server was asked for %d releases, want one for each 5 holds", freed)
		}
		for i := 1; i < len(tokens); i++ {
			if tokens[i] <= tokens[i-1] {
				t.Errorf("tokens do not grow: %v", tokens)
			}
		}
	})
}

func TestLocalHandoffIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, freed := handedOver(t, Handoff{Count: 100, For: 3 * time.Second}, 11, time.Second)
		if freed != 4 { // After 3 s, 6 s, 9 s and at the end, 11 s.
			t.Errorf("the server was asked for %d releases, want one for each 3s", freed)
		}
	})
}

func TestLocalHandoffEndsWithTheTokensInReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, freed := handedOver(t, Handoff{Count: 100, For: time.Hour}, 11, 0); freed != 2 {
			t.Errorf("the server was asked for %d releases, want 2: the fake gives 5 spare tokens", freed)
		}
	})
}

func TestALeaseThatIsPassedOnIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handedOver(t, Handoff{Count: 100, For: time.Hour}, 5, 3*term)
	})
}

// An heir has the lease when it wakes. One that got it later could have passed the
// object on before, to a hold which nobody renews and which never ends.
func TestAnHeirWakesWithTheLease(t *testing.T) {
	f := &fake{}
	e := f.engine(t, func(c *Config) { c.LocalHandoff = Handoff{Count: 1 << 20, For: time.Hour} })
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 2000 {
				h, err := f.lock(e, "a").Acquire(t.Context())
				if err != nil {
					t.Errorf("Acquire: %v", err)
					return
				}
				inner := h.(*handle).hold
				inner.mu.Lock()
				cared := inner.lease != nil
				inner.mu.Unlock()
				if !cared {
					t.Error("a hold began without its lease")
				}
				if err := h.Release(t.Context()); err != nil {
					t.Errorf("Release: %v", err)
				}
				if !cared {
					return
				}
			}
		})
	}
	all.Wait()
}

// A plainClaimer has no leases.
type plainClaimer struct{ fakeClaimer }

func (c plainClaimer) Claim(ctx context.Context) (Claim, error) {
	claim, err := c.fakeClaimer.Claim(ctx)
	if err != nil {
		return nil, err
	}
	return plainClaim{claim.(*fakeClaim)}, nil
}

type plainClaim struct{ inner *fakeClaim }

func (c plainClaim) Token() uint64                     { return c.inner.Token() }
func (c plainClaim) Release(ctx context.Context) error { return c.inner.Release(ctx) }
func (c plainClaim) Succeed() (Claim, bool) {
	next, ok := c.inner.Succeed()
	if !ok {
		return nil, false
	}
	return plainClaim{next.(*fakeClaim)}, true
}

func TestLocalHandoffWithoutLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		e := f.engine(t, func(c *Config) { c.LocalHandoff = Handoff{Count: 10, For: time.Hour} })
		l := e.NewLock("a", plainClaimer{fakeClaimer{f, "a"}})
		h := acquire(t, l)
		next := make(chan core.Handle)
		go func() { next <- acquire(t, l) }()
		synctest.Wait()
		if err := h.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
		heir := <-next
		if heir.Token() != h.Token()+1 || f.freed != 0 {
			t.Errorf("token %d after %d, and %d releases at the server", heir.Token(), h.Token(), f.freed)
		}
		if err := heir.Release(t.Context()); err != nil {
			t.Errorf("Release: %v", err)
		}
	})
}

func TestWithoutLocalHandoffTheServerDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, freed := handedOver(t, Handoff{}, 5, 0); freed != 6 {
			t.Errorf("%d of 6 holds were released at the server", freed)
		}
	})
}

var _ core.Identified = (*rwlock)(nil)

func TestAHoldThatWasPassedOnCanBeLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		e := f.engine(t, func(c *Config) { c.LocalHandoff = Handoff{Count: 10, For: time.Hour} })
		h := acquire(t, f.lock(e, "a"))
		next := make(chan core.Handle)
		go func() { next <- acquire(t, f.lock(e, "a")) }()
		synctest.Wait()
		h.Release(t.Context())
		heir := <-next
		f.mu.Lock()
		lost := f.owners["a"].lost
		f.mu.Unlock()
		lost(errDown)
		if err := heir.Err(); !errors.Is(err, errDown) {
			t.Errorf("Err is %v, want the loss that the backend told of", err)
		}
	})
}

func TestAnHeirThatIsLostOnTheWayLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		e := f.engine(t, func(c *Config) { c.LocalHandoff = Handoff{Count: 10, For: time.Hour} })
		h := acquire(t, f.lock(e, "a"))
		next := make(chan core.Handle)
		go func() { next <- acquire(t, f.lock(e, "a")) }()
		synctest.Wait()
		h.Release(t.Context())
		e.holds.lose(errDown) // The heir has not run yet.
		if err := (<-next).Err(); !errors.Is(err, core.ErrLost) {
			t.Errorf("the heir's handle says %v", err)
		}
		acquire(t, f.lock(e, "a"))
	})
}
