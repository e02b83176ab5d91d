// Package backoff gives the pauses between attempts: they grow, and are spread
// out at random so that waiters do not march in step.
package backoff

import (
	"math/rand/v2"
	"time"
)

// A Backoff doubles from Min to Max.
type Backoff struct {
	Min, Max time.Duration // Min must be above 0

	next time.Duration
}

// Next returns the next pause, between half of the current step and all of it.
func (b *Backoff) Next() time.Duration {
	step := max(b.next, b.Min)
	b.next = min(2*step, b.Max)
	half := step / 2
	return half + rand.N(step-half+1)
}

// Reset starts again from Min.
func (b *Backoff) Reset() { b.next = 0 }
