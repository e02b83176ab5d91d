package judge

import "sync/atomic"

// A Register is a resource that does what a resource must do with fencing tokens:
// it refuses a write whose token is smaller than one it has seen.
type Register struct {
	token   atomic.Uint64
	Refused atomic.Uint64 // writes that came too late
}

// Write reports whether a write with a token is taken.
func (r *Register) Write(token uint64) bool {
	for {
		seen := r.token.Load()
		if token < seen {
			r.Refused.Add(1)
			return false
		}
		if token == seen || r.token.CompareAndSwap(seen, token) {
			return true
		}
	}
}
