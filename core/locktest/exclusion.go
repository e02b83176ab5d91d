package locktest

import (
	"errors"
	"strings"

	"github.com/distlock/distlock-go/core"
)

var exclusionRules = []rule{
	{
		name: "excludes",
		text: "While a lock is held nobody else acquires it: by the same reference or another one, in the same provider or another one.",
		test: func(t *trial) { // A1
			p, q, name := t.open(), t.open(), t.name()
			l := t.lock(p, name)
			h := t.acquire(l)
			t.busy(l)
			t.busy(t.lock(p, name))
			t.busy(t.lock(q, name))
			t.held(h)
			t.release(h)
		},
	},
	{
		name: "free-after-release",
		text: "A lock that was released can be acquired again, at once and by anybody.",
		test: func(t *trial) { // A1
			p, q, name := t.open(), t.open(), t.name()
			for range 3 {
				t.release(t.try(t.lock(p, name)))
				t.release(t.try(t.lock(q, name)))
			}
		},
	},
	{
		name: "not-reentrant",
		text: "Nothing is reentrant: a second acquire by the holder waits like any other.",
		test: func(t *trial) {
			l := t.lock(t.open(), t.name())
			h := t.acquire(l)
			w := t.wait(l)
			t.release(h)
			t.release(w.granted())
		},
	},
	{
		name: "other-names-are-free",
		text: "Locks of different names do not exclude each other.",
		test: func(t *trial) { // A1
			p := t.open()
			h := t.acquire(t.lock(p, t.name()))
			t.release(t.try(t.lock(p, t.name())))
			t.release(h)
		},
	},
	{
		name: "making-a-lock-does-nothing",
		text: "A lock that was made and never acquired has no effect.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			for range 100 {
				t.lock(p, name)
			}
			t.release(t.try(t.lock(p, name)))
		},
	},
	{
		name: "handle-tells-its-state",
		text: "A handle carries the name; while it holds Done is open and Err is nil; after Release Done is closed and Err matches ErrReleased, not ErrLost.",
		test: func(t *trial) { // A12
			name := t.name()
			l := t.lock(t.open(), name)
			if l.Name() != name {
				t.Errorf("Name of the lock is %q; it was made as %q", l.Name(), name)
			}
			h := t.acquire(l)
			if !strings.Contains(h.Name(), name) || !t.view.several && h.Name() != name {
				t.Errorf("Name of the handle is %q; the lock's is %q", h.Name(), name)
			}
			t.held(h)
			t.release(h)
			t.closed(h.Done(), "Done of a hold that was released is closed")
			t.matches("Err after Release", h.Err(), core.ErrReleased)
			if errors.Is(h.Err(), core.ErrLost) {
				t.Errorf("Err after Release matches ErrLost: %v", h.Err())
			}
		},
	},
	{
		name: "busy-error",
		text: "A busy TryAcquire returns no handle and an *Error that names the lock and matches ErrNotAcquired, and no other sentinel.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			got, err := t.lock(t.open(), name).TryAcquire(t.Context())
			if got != nil {
				t.Errorf("TryAcquire returned a handle with the error %v", err)
			}
			t.matches("TryAcquire", err, core.ErrNotAcquired)
			for _, other := range []error{core.ErrLost, core.ErrReleased, core.ErrClosed, core.ErrDeadlock, core.ErrInvalid, core.ErrUnavailable} {
				if errors.Is(err, other) {
					t.Errorf("TryAcquire: the error %q matches %q", err, other)
				}
			}
			var e *core.Error
			if !errors.As(err, &e) || !strings.HasPrefix(e.Name, name) {
				t.Errorf("TryAcquire: the error %q is not an *Error with the name %q", err, name)
			}
			t.release(h)
		},
	},
}
