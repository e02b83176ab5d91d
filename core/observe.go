package core

import (
	"context"
	"time"
)

// An Observer is told what happens to the locks of a provider: the one hook for
// metrics, traces and logs. Set it in a backend's Options.
//
// Observe is called synchronously, by the goroutine to which the event happens,
// and never while the library holds a lock of its own. It should return
// quickly: a slow observer slows that one caller. If it panics the panic is
// dropped, because a lock must not be lost to its bookkeeping. When no observer
// is set, events cost nothing and allocate nothing.
//
// ctx is that of the acquire or release that caused the event, so that a tracer
// can attach it to a span; for events of the background it carries nothing.
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// An ObserverFunc is a function that is an [Observer].
type ObserverFunc func(ctx context.Context, e Event)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, e Event) { f(ctx, e) }

// An Event is something that happened to a lock.
type Event struct {
	Type    EventType
	Backend string // "postgres", "redis", "redlock", "file", "memory"
	Kind    Kind   // empty if the event concerns the whole provider
	Name    string // likewise
	Shared  bool   // a reader of an RWLock
	Token   uint64 // of the hold, if there is one

	// Duration is what the type says.
	Duration time.Duration

	// Err is the cause, where the type has one.
	Err error
}

// An EventType says what an [Event] tells. More types may be added; an observer
// should pass over those that it does not know.
type EventType string

// The types of events.
const (
	// EventAcquired: a hold began. Duration is the time from the call.
	EventAcquired EventType = "acquired"

	// EventNotAcquired: an acquire failed with Err. Duration is the time from
	// the call.
	EventNotAcquired EventType = "not_acquired"

	// EventWaiting: an acquire found the lock held and begins to wait. Err says
	// who holds it, where that is known.
	EventWaiting EventType = "waiting"

	// EventReleased: a hold was released. Duration is how long it was held. Err
	// is set if the backend did not confirm the release.
	EventReleased EventType = "released"

	// EventLost: a hold was lost because of Err. Duration is how long it was
	// held.
	EventLost EventType = "lost"

	// EventAbandoned: a handle was garbage-collected without a release and is
	// being released now. It is a defect of the program. Duration is how long
	// it was held.
	EventAbandoned EventType = "abandoned"

	// EventRenewed: a lease was renewed. Duration is how late, after the time at
	// which it was due.
	EventRenewed EventType = "renewed"

	// EventRenewFailed: an attempt at a renewal failed with Err. The hold
	// stands until its deadline.
	EventRenewFailed EventType = "renew_failed"

	// EventGiveBackFailed: a hold of unknown outcome could not be given back, by
	// Err; it ends with its lease or session. Duration is how long it was tried.
	EventGiveBackFailed EventType = "give_back_failed"

	// EventHandedOver: the lock was passed to a waiter without another attempt
	// by that waiter. Duration is the time from the grant to its arrival, where
	// it is known.
	EventHandedOver EventType = "handed_over"

	// EventLimitMismatch: somebody uses the semaphore with another limit. Err
	// says which.
	EventLimitMismatch EventType = "limit_mismatch"

	// EventDegraded: the provider fell back to a slower way of working, such as
	// polling, because of Err.
	EventDegraded EventType = "degraded"

	// EventRecovered: the provider left the slower way of working.
	EventRecovered EventType = "recovered"

	// EventProbeFailed: a check of a connection or a subscription failed with
	// Err and it is being replaced.
	EventProbeFailed EventType = "probe_failed"
)
