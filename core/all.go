package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// AcquireAll acquires all of the locks, or none, and returns one [Handle] for
// them, which implements [Composite]. It is lost as soon as any one of them is.
//
// Locks are taken in order of name, not as passed, so callers whose sets overlap
// cannot deadlock. (One name may stand for locks of different kinds or backends;
// these have a fixed order too, and so have the keys of a backend where several names
// or kinds stand for one. Locks of one name, kind and backend that are of
// several providers are taken as passed, because nothing tells which is which in
// another process: pass them in one order everywhere, or use other names.) The same
// lock of a provider twice, or none at all, is an error that matches [ErrInvalid].
// ctx bounds the whole wait. Any other error is that of the member that could not be
// acquired, or that was lost while the others were waited for, which ends the wait;
// those that had been acquired are released before AcquireAll returns. If ctx has
// ended by then, they are released all at once, within one release timeout.
func AcquireAll(ctx context.Context, locks ...Lock) (Handle, error) {
	return acquireAll(ctx, locks, acquireBeside)
}

// acquireBeside acquires a lock for a caller who holds others, and for whom it is of
// no use once one of them is lost.
func acquireBeside(ctx context.Context, l Lock, others []Handle) (Handle, error) {
	if len(others) == 0 {
		return l.Acquire(ctx)
	}
	waiting, stop := context.WithCancelCause(ctx)
	var watches sync.WaitGroup
	for _, h := range others {
		watches.Go(func() {
			select {
			case <-h.Done():
				stop(h.Err())
			case <-waiting.Done():
			}
		})
	}
	defer watches.Wait()
	defer stop(nil)
	h, err := l.Acquire(waiting)
	if err != nil && ctx.Err() == nil {
		for _, h := range others {
			if lost := h.Err(); lost != nil {
				return nil, lost
			}
		}
	}
	return h, err
}

// TryAcquireAll is [AcquireAll] with a single attempt at each lock. If one of them
// is held elsewhere the error matches [ErrNotAcquired].
func TryAcquireAll(ctx context.Context, locks ...Lock) (Handle, error) {
	return acquireAll(ctx, locks, func(ctx context.Context, l Lock, _ []Handle) (Handle, error) { return l.TryAcquire(ctx) })
}

func acquireAll(ctx context.Context, locks []Lock, acquire func(context.Context, Lock, []Handle) (Handle, error)) (Handle, error) {
	ordered, err := inOrder(locks)
	if err != nil {
		return nil, err
	}
	handles := make([]Handle, 0, len(ordered))
	all := false
	defer func() {
		if all {
			return
		}
		giveBack(ctx, handles)
	}()
	for _, lock := range ordered {
		h, err := acquire(ctx, lock, handles)
		if err != nil {
			return nil, err
		}
		handles = append(handles, h)
	}
	for _, h := range handles {
		if err := h.Err(); err != nil {
			return nil, err
		}
	}
	all = true
	return newComposite(handles), nil
}

// giveBack releases the handles, the last one first while there is time, and what is
// left at once: the backends take what they need then. Its caller learns why there is
// no hold, which matters more than what comes of this.
func giveBack(ctx context.Context, handles []Handle) {
	var left sync.WaitGroup
	defer left.Wait()
	for _, h := range slices.Backward(handles) {
		if ctx.Err() == nil {
			_ = h.Release(ctx)
		} else {
			left.Go(func() { _ = h.Release(ctx) })
		}
	}
}

// inOrder returns the locks in the global order, without changing its argument.
func inOrder(locks []Lock) ([]Lock, error) {
	if len(locks) == 0 {
		return nil, &Error{Op: "acquire all", Err: fmt.Errorf("%w: no locks were given", ErrInvalid)}
	}
	type known struct {
		lock Lock
		id   Identity
	}
	all := make([]known, len(locks))
	for i, lock := range locks {
		if lock == nil {
			return nil, &Error{Op: "acquire all", Err: fmt.Errorf("%w: lock %d of %d is nil", ErrInvalid, i+1, len(locks))}
		}
		all[i] = known{lock, identityOf(lock, "", lock.Name())}
	}
	slices.SortStableFunc(all, func(a, b known) int { return a.id.compare(b.id) })
	ordered := make([]Lock, len(all))
	seen := make(map[Identity]bool, len(all))
	for i, k := range all {
		ordered[i] = k.lock
		if seen[k.id] {
			return nil, &Error{Op: "acquire all", Name: k.lock.Name(),
				Err: fmt.Errorf("%w: the same lock was given twice, and would wait for itself", ErrInvalid)}
		}
		seen[k.id] = true
	}
	return ordered, nil
}

// A Composite is the handle to several locks that [AcquireAll] returns.
//
// Its Token is 0: tokens of different names cannot be compared, so a resource
// must be shown the token of the lock that guards it, found among Handles.
//
// Release releases one member after the other. If its ctx is done beforehand, it
// takes as long as the backends need, within one release timeout for each member.
type Composite interface {
	Handle

	// Handles returns the handles of the members in the order of acquisition.
	// Only the composite may release them.
	Handles() []Handle
}

// joinNames names a composite.
func joinNames(handles []Handle) string {
	names := make([]string, len(handles))
	for i, h := range handles {
		names[i] = h.Name()
	}
	return strings.Join(names, "+")
}
