// Package core defines the locks, reader-writer locks and semaphores that
// every distlock backend provides, and the functions that work on any of them.
//
// A program asks a [Provider] for a [Lock], an [RWLock] or a [Semaphore] by
// name, acquires it, and gets a [Handle]:
//
//	h, err := provider.NewLock("invoice:42").Acquire(ctx)
//	if err != nil {
//		return err
//	}
//	defer h.Release(ctx)
//
// [Do] wraps these lines around a function. Everything that holds the same
// name through the same kind of primitive on the same backend excludes, or
// shares with, everything else that does, in this process or another. A Lock,
// an RWLock and a Semaphore of the same name are different objects.
//
// # Waiting
//
// The context of an acquire bounds the wait and nothing else: once a lock is
// held, cancelling that context does not release it. The waiters of a process are
// served in the order in which they came, those of several processes in the order
// of the backend, which starves nobody. A waiting writer keeps later readers out.
// A cancelled wait returns at once and leaves nothing behind: if the lock had been
// granted at the same moment it is given back.
//
// Nothing here is reentrant: acquiring a lock that the same goroutine already
// holds waits like any other acquire.
//
// # What a hold is worth
//
// A [Handle] is never a lie: [Handle.Done] is closed before another party can
// be granted the lock when the backend grants leases (Redis), and as soon as it
// can be known when the backend ties a hold to a session or a file
// (PostgreSQL, files). A hold can still end at any moment without your help:
// the server fails over, an operator breaks the lock, the process is paused
// for longer than its lease. So a handle tells what was true when it was
// asked. Between that moment and the moment at which a write reaches its
// resource, anything may pass, and no lock service can prevent it (Kleppmann,
// "How to do distributed locking", 2016).
//
// That leaves two kinds of use. Where a lock saves work (two replicas would
// send the same report), a handle is enough. Where a lock guards correctness,
// the resource itself must refuse the late writer, by [Handle.Token]: the
// fencing token grows strictly with each hold of a name, so a resource that
// remembers the highest token it has seen, and refuses any write that carries
// a lower one, is never changed by a former holder:
//
//	UPDATE account SET balance = $1, token = $2 WHERE id = $3 AND token <= $2
//
// # Errors
//
// Every error is an [*Error] around one of the sentinels below; use
// [errors.Is]. An acquire that failed because the lock is held elsewhere
// matches [ErrNotAcquired]; one that could not reach its backend matches
// [ErrUnavailable] and not ErrNotAcquired, also if a deadline cut it short while
// no answer had come.
package core
