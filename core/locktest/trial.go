package locktest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A trial is one case under way. Its failures state the rule.
type trial struct {
	*testing.T
	h    Harness
	view view
	rule rule

	before  map[string]string // goroutines, by id
	events  events
	opened  []core.Provider
	waiters []*waiter
	started []*process
	names   []string         // what was used, to be looked at in the end
	taken   map[string]*fill // permits taken beforehand, by name

	mu   sync.Mutex
	over bool // goroutines of a case that failed may still be about
}

// Errorf reports a failure, and the rule. It also tells which holds of the case were
// lost by themselves, as leases are on a machine that stands still: what the rule says
// of a hold does not hold for them.
func (t *trial) Errorf(format string, args ...any) {
	t.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.T.Errorf("%s\n\tThe rule: %s%s", fmt.Sprintf(format, args...), t.rule.text, t.events.losses())
	}
}

// Fatalf is Errorf, and ends the case.
func (t *trial) Fatalf(format string, args ...any) {
	t.Helper()
	t.Errorf(format, args...)
	t.FailNow()
}

// open returns a new provider: another process, to the backend.
func (t *trial) open() core.Provider {
	t.Helper()
	return t.openFor(&t.events)
}

// openFor returns a new provider that reports to o.
func (t *trial) openFor(o core.Observer) core.Provider {
	t.Helper()
	p := t.h.Open(t.T, o)
	t.opened = append(t.opened, p)
	return p
}

// name returns a name that nobody else uses. In a view that needs it, all but one
// of the permits of that name are taken.
func (t *trial) name() string {
	t.Helper()
	name := "locktest " + t.rule.name + " " + rand.Text()[:12]
	t.use(name)
	if t.view.taken > 0 {
		f := &fill{name: name, p: t.open()}
		if t.taken == nil {
			t.taken = make(map[string]*fill)
		}
		t.taken[name] = f
		f.take(t)
	}
	return name
}

// use makes the case look, when it ends, at what is left under a name.
func (t *trial) use(name string) {
	t.names = append(t.names, name)
	if t.view.several {
		t.names = append(t.names, secondName(name))
	}
}

// lock returns the object of that name, seen as a mutex.
func (t *trial) lock(p core.Provider, name string) core.Lock { return t.view.lock(p, name) }

// patience bounds what must happen, soon says what counts as at once.
func (t *trial) patience() time.Duration { return t.h.Patience }
func (t *trial) soon() time.Duration     { return t.h.Patience / 5 }

// pause lets time pass in which nothing is to happen.
func (t *trial) pause() { time.Sleep(t.h.Pause) }

// patient is a context for what must succeed.
func (t *trial) patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), t.patience()+t.h.Lease)
}

// acquire acquires a lock that is free, or becomes so.
func (t *trial) acquire(l core.Lock) core.Handle {
	t.Helper()
	ctx, cancel := t.patient()
	defer cancel()
	h, err := l.Acquire(ctx)
	if err != nil {
		t.Fatalf("Acquire of a free lock failed: %v", err)
	}
	return t.fresh(h)
}

// try acquires a lock that is free, by a single attempt.
func (t *trial) try(l core.Lock) core.Handle {
	t.Helper()
	ctx, cancel := t.patient()
	defer cancel()
	h, err := l.TryAcquire(ctx)
	if err != nil {
		t.Fatalf("TryAcquire of a free lock failed: %v", err)
	}
	return t.fresh(h)
}

// fresh checks a new handle.
func (t *trial) fresh(h core.Handle) core.Handle {
	t.Helper()
	if err := h.Err(); err != nil {
		t.Fatalf("a handle that was just acquired has ended: %v", err)
	}
	return h
}

// busy checks that a lock cannot be had.
func (t *trial) busy(l core.Lock) {
	t.Helper()
	ctx, cancel := t.patient()
	defer cancel()
	h, err := l.TryAcquire(ctx)
	if err == nil {
		_ = h.Release(ctx)
		t.Fatalf("TryAcquire of %q succeeded although the lock is held", l.Name())
	}
	if !errors.Is(err, core.ErrNotAcquired) {
		t.Fatalf("TryAcquire of a lock that is held: the error is %q; it must match ErrNotAcquired", err)
	}
}

// soonBusy is busy for what another provider's waiter makes so: it may have been
// told that it waits an instant before the server has its place.
func (t *trial) soonBusy(l core.Lock) {
	t.Helper()
	for deadline := time.Now().Add(t.patience()); ; time.Sleep(time.Millisecond) {
		ctx, cancel := t.patient()
		h, err := l.TryAcquire(ctx)
		cancel()
		if errors.Is(err, core.ErrNotAcquired) {
			return
		}
		if err != nil {
			t.Fatalf("TryAcquire failed: %v", err)
		}
		t.release(h)
		if time.Now().After(deadline) {
			t.Fatalf("TryAcquire of %q succeeds again and again although a writer waits", l.Name())
		}
	}
}

// soonFree acquires a lock by single attempts, for what may have to be given
// back in the background first.
func (t *trial) soonFree(l core.Lock) core.Handle {
	t.Helper()
	var last error
	for deadline := time.Now().Add(t.patience() + t.h.Lease); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		ctx, cancel := t.patient()
		h, err := l.TryAcquire(ctx)
		cancel()
		if err == nil {
			return t.fresh(h)
		}
		if !errors.Is(err, core.ErrNotAcquired) {
			t.Fatalf("TryAcquire failed: %v", err)
		}
		last = err
	}
	t.Fatalf("the lock does not become free: %v", last)
	return nil
}

// release releases a hold that stands.
func (t *trial) release(h core.Handle) {
	t.Helper()
	ctx, cancel := t.patient()
	defer cancel()
	if err := h.Release(ctx); err != nil {
		t.Fatalf("Release failed: %v", err)
	}
}

// held checks that a hold stands.
func (t *trial) held(h core.Handle) {
	t.Helper()
	select {
	case <-h.Done():
		t.Fatalf("the hold has ended: %v", h.Err())
	default:
	}
	if err := h.Err(); err != nil {
		t.Fatalf("Err says that the hold has ended: %v", err)
	}
}

// eventually waits for a condition that must come true.
func (t *trial) eventually(what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(t.patience() + t.h.Lease); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("this did not come true within %v: %s", t.patience()+t.h.Lease, what)
		}
	}
}

// closed waits for a channel that must be closed.
func (t *trial) closed(c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(t.patience() + t.h.Lease):
		t.Fatalf("this did not happen within %v: %s", t.patience()+t.h.Lease, what)
	}
}

// matches checks that an error matches all of the targets.
func (t *trial) matches(what string, err error, targets ...error) {
	t.Helper()
	for _, target := range targets {
		if !errors.Is(err, target) {
			t.Fatalf("%s: the error is %q; it must match %q", what, fmt.Sprint(err), target)
		}
	}
}

// nothingBut checks that an operation under a context that ends at random has
// either succeeded or been cut short by it. It may be called by any goroutine.
func (t *trial) nothingBut(end, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, end) {
		t.Errorf("unexpected error: %v", err)
	}
}
