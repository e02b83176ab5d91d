package driver

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A slumberer is a Sleeper whose sleep ends when its test says so.
type slumberer struct {
	instant
	wake   chan struct{}
	sleeps atomic.Int32
}

func (s *slumberer) Wake() (<-chan struct{}, func(), error) { return s.wake, func() {}, nil }

func (s *slumberer) Sleep(ctx context.Context, _ time.Duration) bool {
	s.sleeps.Add(1)
	select {
	case <-s.wake:
		return true
	case <-ctx.Done():
		return false
	}
}

func TestRetrySleepsAsTheSleeperDoes(t *testing.T) {
	e, err := New(Config{Backend: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	s := &slumberer{wake: make(chan struct{}, 1)}
	tries := 0
	c, err := e.Retry(t.Context(), s, nil, func(ctx context.Context) (Claim, error) {
		if tries++; tries < 4 {
			s.wake <- struct{}{}
			return nil, core.ErrNotAcquired
		}
		return s.Claim(ctx)
	})
	if c == nil || err != nil || tries != 4 || s.sleeps.Load() != 3 {
		t.Errorf("%v, %v after %d attempts and %d sleeps", c, err, tries, s.sleeps.Load())
	}
}

func TestRetryEndsWithTheContextOfASleeper(t *testing.T) {
	e, err := New(Config{Backend: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx, cancel := context.WithCancel(t.Context())
	s := &slumberer{wake: make(chan struct{}, 1)}
	held := &core.HeldError{}
	_, err = e.Retry(ctx, s, nil, func(context.Context) (Claim, error) {
		time.AfterFunc(time.Millisecond, cancel)
		return nil, held
	})
	if !errors.Is(err, core.ErrNotAcquired) || s.sleeps.Load() != 1 {
		t.Errorf("%v after %d sleeps, want the last answer after one", err, s.sleeps.Load())
	}
}

// A dozer is a Sleeper that notes how long it was to sleep, and is woken by some of
// its sleeps.
type dozer struct {
	slumberer
	pauses []time.Duration
}

func (d *dozer) Sleep(_ context.Context, pause time.Duration) bool {
	d.pauses = append(d.pauses, pause)
	return len(d.pauses) == 6
}

// An event that a Sleeper tells of starts the backstop again, and nothing else
// does; and the sleep is the only one between two attempts.
func TestRetryPausesAsTheSleeperWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Config{Backend: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		d := &dozer{slumberer: slumberer{wake: make(chan struct{})}}
		start, tries := time.Now(), 0
		c, err := e.Retry(t.Context(), d, nil, func(ctx context.Context) (Claim, error) {
			if tries++; tries < 8 {
				return nil, core.ErrNotAcquired
			}
			return d.Claim(ctx)
		})
		if c == nil || err != nil || time.Since(start) != 0 {
			t.Errorf("%v, %v after %v besides the sleeps", c, err, time.Since(start))
		}
		// The pauses double from 50 ms to 1 s, less up to a half.
		if n := len(d.pauses); n != 7 || d.pauses[5] < 500*time.Millisecond || d.pauses[6] > 50*time.Millisecond {
			t.Errorf("it was to sleep for %v; the sixth ended with an event", d.pauses)
		}
	})
}
