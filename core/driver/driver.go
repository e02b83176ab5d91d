// Package driver is the seam between core and a backend: what a backend must
// implement, and the one implementation of the core interfaces over it.
// Application code has no use for it.
//
// A backend makes one attempt ([Claimer]), one release ([Claim]), and says what
// else it can do by optional interfaces: queue ([Queuer]), tell when another
// attempt is worth making ([Waker]), renew leases ([Renewer]), tell of a loss
// ([Watched]). Everything else exists once, in [Engine]: argument checks, the
// line of local waiters, the rules of contexts, the wait loop and its backstop,
// the state of a hold, the lease clock, release-once, the give-back of unknown
// outcomes, error wrapping and events.
//
// The package grows by addition only: a new optional interface, a new field.
package driver

import (
	"context"
	"time"
)

// A Claimer attempts to take one object in one mode: a lock, a permit, or one
// side of a reader-writer lock. It should implement [Queuer] or [Waker] too;
// without either, a wait polls.
type Claimer interface {
	// Claim makes one attempt. It must not wait for another holder, and must
	// not retry. If the object is held elsewhere the error must match
	// core.ErrNotAcquired; a *core.HeldError says by whom. Any other error ends
	// the acquire and reaches the user: it should match one of core's sentinels,
	// usually core.ErrUnavailable.
	//
	// Claim must return promptly when ctx ends. If it returns an error while the
	// outcome is not known (the reply was lost, or did not come in time) it must
	// see to it that the object becomes free: by [Engine.GiveBack], or by expiry.
	Claim(ctx context.Context) (Claim, error)
}

// A Keyed claimer takes an object that other names or kinds of its provider may mean
// too.
type Keyed interface {
	Claimer

	// Key returns what is common to all that take the object, and to nothing else
	// of the provider: core.AcquireAll knows by it that two locks are one. ok is
	// false if the name and the kind are that.
	Key() (key string, ok bool)
}

// A Queuer is a Claimer whose backend can wait for the object, in order.
type Queuer interface {
	Claimer

	// Wait returns owning the object, or when ctx ends. It is the whole acquire:
	// Claim is not called before it, unless Config.NeverBlocks. When it finds the
	// object held elsewhere, or the backend away, and begins to wait for that to
	// change, it must call busy with an error as Claim would return; and may call
	// it again when it knows better.
	//
	// What is said of ctx and of unknown outcomes at Claim holds for Wait: when
	// it returns an error, no place in a queue and no late grant may be left
	// behind that is not on its way to being given back. An error that matches
	// core.ErrUnavailable tells that the backend, and not a holder, is what the
	// wait ended on.
	Wait(ctx context.Context, busy func(error)) (Claim, error)
}

// A Waker is a Claimer that knows when another attempt is worth making.
type Waker interface {
	Claimer

	// Wake begins to listen. The channel receives, without blocking the sender,
	// after each change that happens once Wake has returned; several changes may
	// be told as one, and some may be missed: the wait loop polls as a backstop.
	// An error means that there are no events here, and that polling is all
	// there is. stop ends the listening and waits for nothing.
	Wake() (wake <-chan struct{}, stop func(), err error)
}

// A Sleeper is a Waker that knows a quicker way to sleep than to receive from a
// channel: what wakes it need not wake another goroutine first.
type Sleeper interface {
	Waker

	// Sleep returns true once the channel of Wake would have something to receive,
	// which it then has received, and false when ctx ends or d has passed. It is
	// called by the goroutine that called Wake, between that and stop.
	Sleep(ctx context.Context, d time.Duration) bool
}

// A Claim is an object that was taken, once.
type Claim interface {
	// Token returns the fencing token, or 0 if there is none.
	Token() uint64

	// Release gives the object up. It must never touch a later claim, so it may
	// be called again after it failed. An error that matches core.ErrLost means
	// that the claim had ended before; any other one means that the outcome is
	// not known, and the engine calls again, in the background.
	//
	// Release must return promptly when ctx ends.
	Release(ctx context.Context) error
}

// A Leased claim lapses on the server unless it is renewed. Its provider must
// have a [Renewer].
type Leased interface {
	Claim

	// Lease returns a time at or before the one at which the server began to
	// count, and for how long it counts. For a claim that was granted by a reply
	// that is the time before the request was sent: the rule makes every delay
	// shorten the hold in the client's eyes, and none lengthen it. A term shorter
	// than the provider's lease is renewed at once.
	Lease() (from time.Time, term time.Duration)
}

// A Watched claim tells when it is lost.
type Watched interface {
	Claim

	// Watch is called once, when the hold begins. The backend must call lost when
	// the claim has ended without Release, with the cause, and at once if it had
	// ended already. lost may be called more than once, from any goroutine, and
	// also late: after a release it does nothing. The backend must not hold a
	// mutex that Release needs while it calls lost.
	Watch(lost func(cause error))
}

// A Checked claim can be asked whether it still stands.
type Checked interface {
	Claim

	// Check returns nil, or why the claim has ended without Release. Handle.Err
	// asks it, so it must be cheap and must not wait; it may be called at any
	// time, also during and after a release. Handle.Release does not ask: Release
	// itself tells if the claim had ended.
	Check() error
}

// A Successive claim can be passed on within the process, for
// Config.LocalHandoff.
type Successive interface {
	Claim

	// Succeed returns a new claim with a greater token that takes the place of
	// this one, without a round trip, or false if it has no such token in
	// reserve. After true, only the new claim will be released.
	Succeed() (Claim, bool)
}

// A Renewer prolongs leases.
type Renewer interface {
	// Renew prolongs the claims, all of which came from this provider, by the
	// provider's lease from now, and returns one error each: nil, one that
	// matches core.ErrLost if the claim has ended, or another one if the outcome
	// is not known, which is tried again until the deadline. It must never
	// re-create a claim that has ended. It must return when ctx ends, with what
	// it knows by then, and may be called again while an earlier call is still
	// under way: up to four times for each server of claims that are [Placed],
	// and as often for claims whose term is shorter than the lease.
	Renew(ctx context.Context, claims []Claim) []error
}
