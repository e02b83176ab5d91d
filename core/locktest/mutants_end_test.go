package locktest_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
)

// endMutants err about how holds and waits end.
var endMutants = []mutant{
	{
		name: "loss-is-not-told",
		open: handles(func(_ core.Provider, _ object, h core.Handle) core.Handle {
			done := make(chan struct{})
			var once sync.Once
			return &faultyHandle{
				Handle: h,
				done:   func() <-chan struct{} { return done },
				err: func() error {
					if err := h.Err(); errors.Is(err, core.ErrReleased) {
						return err
					}
					return nil
				},
				release: func(ctx context.Context) error {
					defer once.Do(func() { close(done) })
					return h.Release(ctx)
				},
			}
		}),
		caught: []string{
			"Lock/loss-is-told", "Lock/loss-before-the-first-look", "Lock/loss-cancels-do", "AcquireAll/loss-is-told",
			"Readers/readers-learn-of-a-loss", "Permits/lost-permits-are-free", "Several/loss-of-one-is-a-loss-of-all", "Close/close-ends-holds",
		},
	},
	{
		name: "loss-is-told-to-those-who-looked-before",
		open: handles(func(_ core.Provider, _ object, h core.Handle) core.Handle {
			var looked atomic.Bool // before the loss
			look := func() bool { return looked.Load() || h.Err() == nil && looked.CompareAndSwap(false, true) }
			return &faultyHandle{
				Handle: h,
				done: func() <-chan struct{} {
					if look() {
						return h.Done()
					}
					return nil
				},
				err: func() error {
					if look() || errors.Is(h.Err(), core.ErrReleased) {
						return h.Err()
					}
					return nil
				},
			}
		}),
		caught: []string{"Lock/loss-before-the-first-look"},
	},
	{
		name:   "cancelled-waiter-keeps-its-place",
		open:   locks(func(_ core.Provider, o object) core.Lock { return ghostly(o.Lock) }),
		caught: []string{"Lock/cancelled-waiter-leaves", "Lock/cancelled-waiter-lets-the-next-one-in", "Lock/cancel-at-the-grant", "Lock/storm-of-cancels", "Lock/cancels-keep-the-order", "Permits/cancelled-waiters-take-no-permit"},
	},
	{
		name: "writer-that-gave-up-leaves-a-mark",
		open: locks(func(_ core.Provider, o object) core.Lock {
			if o.kind == core.KindRWLock && !o.shared {
				return ghostly(o.Lock)
			}
			return o.Lock
		}),
		caught: []string{"Readers/writer-that-gave-up-lets-readers-in", "Readers/failed-writer-leaves-no-mark", "Readers/readers-and-writers-under-stress"},
	},
	{
		name: "cancel-is-ignored",
		open: locks(func(_ core.Provider, o object) core.Lock {
			return faultyLock{Lock: o.Lock, acquire: func(ctx context.Context) (core.Handle, error) {
				return o.Acquire(context.WithoutCancel(ctx))
			}}
		}),
		caught: []string{"Lock/done-context-fails-first", "Lock/cancel-returns-at-once"},
	},
	{
		name: "context-ends-the-hold",
		open: locks(func(_ core.Provider, o object) core.Lock {
			return faultyLock{Lock: o.Lock, acquire: func(ctx context.Context) (core.Handle, error) {
				h, err := o.Acquire(ctx)
				if err == nil {
					context.AfterFunc(ctx, func() { _ = h.Release(context.Background()) })
				}
				return h, err
			}}
		}),
		caught: []string{"Lock/context-bounds-the-wait-only", "Semaphore5/context-bounds-the-wait-only"},
	},
	{
		name: "try-waits",
		open: locks(func(_ core.Provider, o object) core.Lock {
			return faultyLock{Lock: o.Lock, try: func(ctx context.Context) (core.Handle, error) {
				ctx, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
				defer cancel()
				return o.Acquire(ctx)
			}}
		}),
		caught: []string{"Lock/try-does-not-wait", "Writer/try-does-not-wait"},
	},
	{
		name: "timeout-does-not-tell-of-the-holder",
		open: locks(func(_ core.Provider, o object) core.Lock {
			return faultyLock{Lock: o.Lock, acquire: func(ctx context.Context) (core.Handle, error) {
				h, err := o.Acquire(ctx)
				if err != nil && ctx.Err() != nil {
					err = &core.Error{Op: "acquire", Name: o.Name(), Err: ctx.Err()}
				}
				return h, err
			}}
		}),
		caught: []string{"Lock/wait-ends-with-the-deadline", "Lock/cancel-returns-at-once"},
	},
	{
		name: "busy-is-an-outage",
		open: locks(func(_ core.Provider, o object) core.Lock {
			return faultyLock{Lock: o.Lock, try: func(ctx context.Context) (core.Handle, error) {
				h, err := o.TryAcquire(ctx)
				if err != nil {
					err = &core.Error{Op: "acquire", Name: o.Name(), Err: errors.Join(err, core.ErrUnavailable)}
				}
				return h, err
			}}
		}),
		caught: []string{"Lock/busy-error"},
	},
	{
		name: "late-by-a-little",
		open: locks(func(_ core.Provider, o object) core.Lock {
			return faultyLock{Lock: o.Lock, acquire: func(ctx context.Context) (core.Handle, error) {
				h, err := o.Acquire(ctx)
				if err != nil {
					time.Sleep(200 * time.Millisecond)
				}
				return h, err
			}}
		}),
		caught: []string{"Lock/wait-ends-with-the-deadline", "Lock/cancel-returns-at-once", "Close/close-ends-waiters"},
	},
	{
		name:   "dropped-handle-is-kept",
		open:   handles(func(_ core.Provider, _ object, h core.Handle) core.Handle { kept.Store(h, true); return h }),
		caught: []string{"Lock/dropped-handle-is-released"},
	},
}

// kept keeps handles from the garbage collector.
var kept sync.Map
