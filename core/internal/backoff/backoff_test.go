package backoff_test

import (
	"testing"
	"time"

	"github.com/distlock/distlock-go/core/internal/backoff"
)

func TestPausesDoubleUpToMax(t *testing.T) {
	b := backoff.Backoff{Min: 10 * time.Millisecond, Max: 100 * time.Millisecond}
	for round := range 2 {
		for i, ms := range []int{10, 20, 40, 80, 100, 100} {
			step := time.Duration(ms) * time.Millisecond
			if got := b.Next(); got < step/2 || got > step {
				t.Errorf("round %d: pause %d is %v, want between %v and %v", round, i, got, step/2, step)
			}
		}
		b.Reset()
	}
}

func TestPausesDiffer(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 50 {
		b := backoff.Backoff{Min: time.Second, Max: time.Second}
		seen[b.Next()] = true
	}
	if len(seen) < 40 {
		t.Errorf("50 pauses took only %d values, so waiters would march in step", len(seen))
	}
}

func TestOneNanosecond(t *testing.T) {
	b := backoff.Backoff{Min: 1, Max: 1}
	for range 10 {
		if got := b.Next(); got < 0 || got > 1 {
			t.Fatalf("pause is %v, want at most 1ns", got)
		}
	}
}
