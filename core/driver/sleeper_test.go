package driver

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
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
