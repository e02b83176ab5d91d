package schedules

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/memory"
	"github.com/distlock/distlock-go/internal/history"
)

// TestCancelAtEveryMoment ends the context of an acquire at each moment of its
// way: there is a hold or an error, never both and never neither; and after an
// error the object is soon free, long before a lease would end.
func TestCancelAtEveryMoment(t *testing.T) {
	const step = 250 * time.Microsecond
	for name, kind := range kinds {
		for _, backend := range []Backend{Events, Polling, Queue, Memory} {
			t.Run(name+"/"+string(backend), func(t *testing.T) {
				t.Parallel()
				for _, held := range []bool{false, true} {
					s := Schedule{Backend: backend, Kind: kind, Seed: 1}
					whole, _, err := s.cancelled(t, time.Hour, held)
					if err != nil {
						t.Fatal(err)
					}
					moments := []time.Duration{whole - 1, whole, whole + 1}
					for at := time.Duration(0); at < whole+2*step; at += step {
						moments = append(moments, at)
					}
					if held { // A poll may come later than that.
						for at := whole; at < 250*time.Millisecond; at += 5 * time.Millisecond {
							moments = append(moments, at)
						}
					}
					granted := 0
					for _, at := range moments {
						took, ok, err := s.cancelled(t, at, held)
						if err != nil {
							t.Fatalf("held before: %v, cancelled after %v of %v: %v", held, at, whole, err)
						}
						if took > at {
							t.Errorf("held before: %v: the acquire has returned after %v, its context ended after %v", held, took, at)
						}
						if ok {
							granted++
						}
					}
					if granted == 0 || granted == len(moments) {
						t.Errorf("held before: %v: %d of %d acquires were granted", held, granted, len(moments))
					}
				}
			})
		}
	}
}

// TestCancelNoticesWhatStays shows that the above looks at what a cancelled
// acquire leaves behind.
func TestCancelNoticesWhatStays(t *testing.T) {
	for name, kind := range kinds {
		for _, backend := range []Backend{Events, Polling, Queue} {
			t.Run(name+"/"+string(backend), func(t *testing.T) {
				s := Schedule{Backend: backend, Kind: kind, Seed: 1, Defect: NoGiveBack}
				whole, _, err := s.cancelled(t, time.Hour, false)
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := s.cancelled(t, whole-1, false); err == nil {
					t.Error("the object is free, although nothing was given back")
				}
			})
		}
	}
}

// cancelled acquires with a context that ends after a time. If the object is held
// before, it is released on the way. It returns how long the acquire took and
// whether it was granted, or what is wrong.
func (s Schedule) cancelled(t *testing.T, after time.Duration, held bool) (took time.Duration, granted bool, err error) {
	synctest.Test(t, func(*testing.T) {
		w := &world{Schedule: s, plan: s.plan()}
		w.plan.limit, w.plan.tombstones = 1, true
		w.healed.Store(true)
		if s.Backend == Memory {
			w.server = memory.NewServer()
		} else {
			w.store = newStore(s)
			w.store.plan = w.plan
		}
		for range 2 {
			if err = w.open(false); err != nil {
				return
			}
		}
		a, b := w.nodes[0], w.nodes[1]
		defer func() {
			err = errors.Join(err, a.close(), b.close())
			a.crash()
			b.crash()
			w.flying.Wait()
		}()
		release := func() {}
		if held {
			h, failed := a.lock(false).Acquire(context.Background())
			if failed != nil {
				err = failed
				return
			}
			release = func() { _ = h.Release(context.Background()) }
		}
		timer := time.AfterFunc(10*time.Millisecond, release)
		defer timer.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), after)
		defer cancel()
		began := time.Now()
		h, failed := b.lock(s.Kind == history.RWLock).Acquire(ctx)
		took = time.Since(began)
		granted = failed == nil
		switch {
		case granted == (h == nil):
			err = fmt.Errorf("the handle is %v and the error %w", h, failed)
		case granted && h.Err() != nil:
			err = fmt.Errorf("the hold has ended as it began: %w", h.Err())
		case granted:
			err = h.Release(context.Background())
		case !errors.Is(failed, context.DeadlineExceeded):
			err = failed
		}
		if err == nil {
			time.Sleep(20 * time.Millisecond)
			err = w.free(a)
		}
	})
	return took, granted, err
}

// free checks that the object can be had at once.
func (w *world) free(n *node) error {
	ctx, cancel := context.WithTimeout(context.Background(), term/2)
	defer cancel()
	h, err := n.lock(false).Acquire(ctx)
	if errors.Is(err, core.ErrNotAcquired) {
		return fmt.Errorf("it is still held: %w", err)
	}
	if err != nil {
		return err
	}
	return h.Release(context.Background())
}
