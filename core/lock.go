package core

import "context"

// A Lock is a mutual-exclusion lock with a name, shared by every process that
// uses the same backend. It has at most one holder at a time.
//
// A Lock is only a reference: making one does no I/O, it may be used by several
// goroutines at once, and each call competes on its own.
type Lock interface {
	// Name returns the name that the lock was made with.
	Name() string

	// Acquire waits until it holds the lock or ctx is done. ctx bounds the
	// wait, never the hold.
	//
	// If ctx ends first the error matches ctx.Err(), and also [ErrNotAcquired]
	// if the lock is known to be held elsewhere.
	Acquire(ctx context.Context) (Handle, error)

	// TryAcquire makes one attempt and does not wait for another holder. If
	// the lock is held elsewhere the error matches [ErrNotAcquired].
	TryAcquire(ctx context.Context) (Handle, error)
}

// An RWLock is a lock that any number of readers or a single writer can hold.
//
// A waiting writer keeps later readers out, and the readers of its process that
// wait behind it enter together once it has left. There is no upgrade from reading
// to writing: two readers that both wait for it would wait for ever.
type RWLock interface {
	// Name returns the name that the lock was made with.
	Name() string

	// AcquireRead waits like [Lock.Acquire] to hold the lock for reading.
	AcquireRead(ctx context.Context) (Handle, error)

	// TryAcquireRead makes one attempt. A writer that holds the lock, or waits
	// for it, makes it fail with an error that matches [ErrNotAcquired].
	TryAcquireRead(ctx context.Context) (Handle, error)

	// AcquireWrite waits like [Lock.Acquire] to hold the lock for writing.
	AcquireWrite(ctx context.Context) (Handle, error)

	// TryAcquireWrite makes one attempt.
	TryAcquireWrite(ctx context.Context) (Handle, error)
}

// A Semaphore admits up to Limit holders at a time.
//
// Every process should use the same limit for a name. While a rollout changes
// it there are never more holders than the largest limit in use, and the
// observer is told of the mismatch ([EventLimitMismatch]).
//
// A Semaphore has the methods of a [Lock], so it can be passed to [Do] and
// [AcquireAll]. It excludes only if its limit is 1.
type Semaphore interface {
	// Name returns the name that the semaphore was made with.
	Name() string

	// Limit returns the number of permits that the semaphore was made with.
	Limit() int

	// Acquire waits like [Lock.Acquire] for one permit.
	Acquire(ctx context.Context) (Handle, error)

	// TryAcquire makes one attempt at one permit.
	TryAcquire(ctx context.Context) (Handle, error)
}
