package distlock

import (
	"context"

	"github.com/distlock/distlock-go/core"
)

// What a program handles. These are aliases: a distlock.Lock is a core.Lock,
// and an error of one package is found by the sentinel of the other.
type (
	Lock      = core.Lock
	RWLock    = core.RWLock
	Semaphore = core.Semaphore
	Handle    = core.Handle
	Composite = core.Composite

	Provider          = core.Provider
	LockProvider      = core.LockProvider
	RWLockProvider    = core.RWLockProvider
	SemaphoreProvider = core.SemaphoreProvider

	Error     = core.Error
	HeldError = core.HeldError
)

// What a program may ask of a provider, by type assertion, and what it is told.
type (
	Inspector = core.Inspector
	Breaker   = core.Breaker
	Status    = core.Status
	Kind      = core.Kind
	Holder    = core.Holder
	Waiter    = core.Waiter
	Owner     = core.Owner
)

// What an observer is told.
type (
	Observer     = core.Observer
	ObserverFunc = core.ObserverFunc
	Event        = core.Event
	EventType    = core.EventType
)

// What a decorator of locks passes on.
type (
	Identity   = core.Identity
	Identified = core.Identified
)

// The sentinels that every error matches, by [errors.Is].
var (
	ErrNotAcquired = core.ErrNotAcquired
	ErrLost        = core.ErrLost
	ErrReleased    = core.ErrReleased
	ErrClosed      = core.ErrClosed
	ErrDeadlock    = core.ErrDeadlock
	ErrInvalid     = core.ErrInvalid
	ErrUnavailable = core.ErrUnavailable
)

// The kinds of objects.
const (
	KindLock      = core.KindLock
	KindRWLock    = core.KindRWLock
	KindSemaphore = core.KindSemaphore
)

// The types of events; package core says what each tells.
const (
	EventAcquired       = core.EventAcquired
	EventNotAcquired    = core.EventNotAcquired
	EventWaiting        = core.EventWaiting
	EventReleased       = core.EventReleased
	EventLost           = core.EventLost
	EventAbandoned      = core.EventAbandoned
	EventRenewed        = core.EventRenewed
	EventRenewFailed    = core.EventRenewFailed
	EventGiveBackFailed = core.EventGiveBackFailed
	EventHandedOver     = core.EventHandedOver
	EventLimitMismatch  = core.EventLimitMismatch
	EventDegraded       = core.EventDegraded
	EventRecovered      = core.EventRecovered
	EventProbeFailed    = core.EventProbeFailed
)

// Do runs fn while it holds lock; see [core.Do].
func Do(ctx context.Context, lock Lock, fn func(ctx context.Context) error) error {
	return core.Do(ctx, lock, fn)
}

// Hold runs fn under a handle that is already held, and releases the handle
// afterwards; see [core.Hold].
func Hold(ctx context.Context, h Handle, fn func(ctx context.Context) error) error {
	return core.Hold(ctx, h, fn)
}

// WithHandle returns a copy of parent that is cancelled when h ends; see
// [core.WithHandle].
func WithHandle(parent context.Context, h Handle) (ctx context.Context, cancel context.CancelFunc) {
	return core.WithHandle(parent, h)
}

// AcquireAll acquires all of the locks, or none; see [core.AcquireAll].
func AcquireAll(ctx context.Context, locks ...Lock) (Handle, error) {
	return core.AcquireAll(ctx, locks...)
}

// TryAcquireAll is [AcquireAll] with a single attempt at each lock.
func TryAcquireAll(ctx context.Context, locks ...Lock) (Handle, error) {
	return core.TryAcquireAll(ctx, locks...)
}

// Reader returns a [Lock] that takes rw for reading.
func Reader(rw RWLock) Lock { return core.Reader(rw) }

// Writer returns a [Lock] that takes rw for writing.
func Writer(rw RWLock) Lock { return core.Writer(rw) }

// Elect runs fn while this process leads; see [core.Elect].
func Elect(ctx context.Context, lock Lock, fn func(ctx context.Context) error) error {
	return core.Elect(ctx, lock, fn)
}

// Leading returns the handle under which [Elect] runs the function that was
// given ctx, or nil.
func Leading(ctx context.Context) Handle { return core.Leading(ctx) }

// ThisProcess returns the owner that providers use unless they are told
// otherwise.
func ThisProcess() Owner { return core.ThisProcess() }
