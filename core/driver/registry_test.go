package driver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
)

// held returns how many holds the engine knows of, having checked the list.
func (e *Engine) held(t *testing.T) (n int) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	var prev *hold
	for h := e.holds; h != nil; prev, h = h, h.next {
		if h.prev != prev {
			t.Fatal("the list of holds is broken")
		}
		if n++; n > 1000 {
			t.Fatal("the list of holds is a ring")
		}
	}
	return n
}

func TestTheEngineKnowsItsHolds(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {2, 1, 3, 0, 4}, {0, 4, 2, 1, 3}} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			e := f.engine(t, nil)
			var handles []core.Handle
			for _, name := range []string{"a", "b", "c", "d", "e"} {
				handles = append(handles, acquire(t, f.lock(e, name)))
			}
			for left := len(order); left > 2; left-- {
				handles[order[len(order)-left]].Release(t.Context())
				if n := e.held(t); n != left-1 {
					t.Fatalf("%d holds are known, want %d", n, left-1)
				}
			}
			e.Close()
			if n := e.held(t); n != 0 {
				t.Errorf("%d holds are known after Close", n)
			}
			for i, at := range order {
				if err := handles[at].Err(); errors.Is(err, core.ErrLost) != (i >= 3) {
					t.Errorf("hold %d: %v", at, err)
				}
			}
		})
	}
}

// bare claims have nothing but what every claim must have.
type bare struct{ *fakeClaim }

func (b bare) Lease()   {}
func (b bare) Watch()   {}
func (b bare) Succeed() {}

type bareClaimer struct{ fakeClaimer }

func (c bareClaimer) Claim(ctx context.Context) (Claim, error) {
	claim, err := c.fakeClaimer.Claim(ctx)
	if err != nil {
		return nil, err
	}
	return bare{claim.(*fakeClaim)}, nil
}

func TestWhatAClaimCannotDoIsNotAskedOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		e := f.engine(t, func(c *Config) { c.LocalHandoff = Handoff{Count: 10, For: time.Hour} })
		l := e.NewLock("a", bareClaimer{fakeClaimer{f, "a"}})
		h := acquire(t, l)
		next := make(chan core.Handle)
		go func() { next <- acquire(t, l) }()
		synctest.Wait()
		h.Release(t.Context())
		(<-next).Release(t.Context())

		plain := f.engine(t, func(c *Config) { c.Lease, c.Renewer = 0, nil })
		h = acquire(t, f.lock(plain, "b"))
		time.Sleep(time.Hour)
		if err := h.Err(); err != nil {
			t.Errorf("a provider without leases lost a hold: %v", err)
		}
	})
}

// A doomed claim loses its hold while the engine asks about its lease.
type doomed struct {
	*fakeClaim
	engine *Engine
}

func (d doomed) Lease() (time.Time, time.Duration) {
	d.engine.holds.lose(errDown)
	return d.fakeClaim.Lease()
}

type doomedClaimer struct {
	fakeClaimer
	engine *Engine
}

func (c doomedClaimer) Claim(ctx context.Context) (Claim, error) {
	claim, err := c.fakeClaimer.Claim(ctx)
	if err != nil {
		return nil, err
	}
	return doomed{claim.(*fakeClaim), c.engine}, nil
}

func TestAHoldThatIsLostAsItBeginsIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		e := f.engine(t, nil)
		if _, err := e.NewLock("a", doomedClaimer{fakeClaimer{f, "a"}, e}).Acquire(t.Context()); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Acquire: %v, want ErrUnavailable", err)
		}
		time.Sleep(10 * term)
		if at := f.renewals(time.Now()); len(at) != 0 {
			t.Errorf("%d renewals were sent for a hold that never was", len(at))
		}
	})
}
