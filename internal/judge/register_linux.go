package judge

import "sync/atomic"

// A Register is a resource that does what a resource must do with fencing tokens:
// it refuses a write whose token is smaller than one it has seen.
//
// It is judged in turn, without a look at tokens, by what writers say of their
// holds. A writer whose write was taken vouches for each time at which it still
// held. Whoever writes late says when it last held, for all it knows. Holds that
// exclude each other do not overlap; so if somebody has vouched for a later time,
// its hold, and its write, came after the late writer's hold, and the late write
// must be refused.
type Register struct {
	token   atomic.Uint64
	vouched atomic.Int64
	Refused atomic.Uint64 // writes that came too late
	Late    atomic.Uint64 // writes by those who had lost their hold
	Stale   atomic.Uint64 // of these, taken although a later holder had written
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

// Vouch is called by one whose write was taken, and who then held at that time.
func (r *Register) Vouch(at int64) { Raise(&r.vouched, at) }

// WriteLate is a write by one who has lost its hold after that time, and reports
// whether it is taken.
func (r *Register) WriteLate(token uint64, since int64) bool {
	later := r.vouched.Load() > since
	taken := r.Write(token)
	r.Late.Add(1)
	if taken && later {
		r.Stale.Add(1)
	}
	return taken
}
