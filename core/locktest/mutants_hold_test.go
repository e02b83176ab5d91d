package locktest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
)

// holdMutants err about who may hold, who is next, and what a release does.
var holdMutants = []mutant{
	{
		name: "nobody-is-excluded",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, object: func(p core.Provider, o object) core.Lock {
				anew := func(ctx context.Context) (core.Handle, error) {
					h, err := p.NewLock(o.Name() + rand.Text()).TryAcquire(ctx)
					return namedHandle{h, o.Name()}, err
				}
				return faultyLock{Lock: o.Lock, acquire: anew, try: anew}
			}}
		},
		caught: []string{
			"Lock/excludes", "Lock/not-reentrant", "Lock/busy-error", "Lock/acquire-waits", "Lock/wait-ends-with-the-deadline",
			"Lock/hundred-goroutines", "Lock/every-way-at-once", "Lock/storm-of-cancels",
			"Writer/excludes", "Semaphore1/excludes", "Semaphore5/excludes", "AcquireAll/excludes",
			"Readers/readers-and-writer-exclude-each-other", "Readers/readers-and-writers-under-stress", "Permits/admits-up-to-the-limit",
			"Several/all-or-none", "Several/callers-that-overlap-do-not-deadlock",
		},
	},
	{
		name:   "other-processes-are-not-excluded",
		alone:  true,
		open:   func(p core.Provider) core.Provider { return p },
		caught: []string{"Lock/excludes", "Lock/acquire-waits-for-another-provider", "Lock/hundred-goroutines", "Readers/readers-and-writer-exclude-each-other", "Permits/every-permit-is-used", "Close/close-is-private"},
	},
	{
		name:   "exclusion-is-a-race",
		open:   racy,
		caught: []string{"Lock/hundred-goroutines", "Lock/every-way-at-once", "Writer/hundred-goroutines", "Semaphore1/hundred-goroutines", "AcquireAll/hundred-goroutines"},
	},
	{
		name: "reentrant",
		open: func(p core.Provider) core.Provider {
			var held sync.Map // by name, within this provider
			return &faulty{Provider: p, object: func(p core.Provider, o object) core.Lock {
				again := func(sound func(context.Context) (core.Handle, error)) func(context.Context) (core.Handle, error) {
					return func(ctx context.Context) (core.Handle, error) {
						if h, ok := held.Load(o.Name()); ok && h.(core.Handle).Err() == nil {
							return h.(core.Handle), nil
						}
						h, err := sound(ctx)
						if err == nil {
							held.Store(o.Name(), h)
						}
						return h, err
					}
				}
				return faultyLock{Lock: o.Lock, acquire: again(o.Acquire), try: again(o.TryAcquire)}
			}}
		},
		caught: []string{"Lock/excludes", "Lock/not-reentrant", "Writer/not-reentrant", "Lock/first-come-first-served"},
	},
	{
		name:   "last-come-first-served",
		open:   lastInFirstOut,
		caught: []string{"Lock/first-come-first-served", "Lock/first-come-first-served-across-providers", "Writer/first-come-first-served", "Semaphore1/first-come-first-served"},
	},
	{
		name: "waiters-poll",
		open: locks(func(_ core.Provider, o object) core.Lock {
			return faultyLock{Lock: o.Lock, acquire: func(ctx context.Context) (core.Handle, error) {
				for {
					h, err := o.TryAcquire(ctx)
					if !errors.Is(err, core.ErrNotAcquired) {
						return h, err
					}
					select {
					case <-time.After(10 * time.Millisecond): // Hardly one looks in the moment in which the lock is free.
					case <-ctx.Done():
						return nil, errors.Join(err, ctx.Err())
					}
				}
			}}
		}),
		caught: []string{"Lock/first-come-first-served", "Lock/try-does-not-overtake", "Lock/greed-does-not-pay", "Permits/waiters-are-served-in-order", "Readers/waiting-writer-stops-later-readers"},
	},
	{
		name: "nobody-is-woken",
		open: locks(func(_ core.Provider, o object) core.Lock {
			return faultyLock{Lock: o.Lock, acquire: func(ctx context.Context) (core.Handle, error) {
				h, err := o.TryAcquire(ctx)
				if errors.Is(err, core.ErrNotAcquired) {
					<-ctx.Done()
				}
				return h, err
			}}
		}),
		caught: []string{"Lock/acquire-waits", "Lock/acquire-waits-for-another-provider", "Lock/woken-every-time", "Lock/hundred-goroutines", "Lock/loss-lets-a-waiter-in", "Readers/readers-behind-a-writer-enter-together", "Permits/waiters-get-permits", "Close/close-frees-what-it-held"},
	},
	{
		name:   "a-wake-up-is-missed",
		open:   missedWakeUp,
		caught: []string{"Lock/woken-every-time", "Lock/hundred-goroutines", "Permits/every-permit-is-used"},
	},
	{
		name: "release-again-frees-the-next-holder",
		open: handles(func(p core.Provider, o object, h core.Handle) core.Handle {
			var calls atomic.Int64
			return &faultyHandle{Handle: h, release: func(ctx context.Context) error {
				err := h.Release(ctx)
				if calls.Add(1) > 1 {
					_, _ = p.(core.Breaker).Break(context.Background(), o.kind, o.Name())
				}
				return err
			}}
		}),
		caught: []string{"Lock/release-twice", "Writer/release-twice", "Lock/every-way-at-once", "Readers/release-of-one-reader-spares-the-others", "Permits/release-of-one-permit-spares-the-others"},
	},
	{
		name: "late-release-frees-the-next-holder",
		open: handles(func(p core.Provider, o object, h core.Handle) core.Handle {
			return &faultyHandle{Handle: h, release: func(ctx context.Context) error {
				err := h.Release(ctx)
				if errors.Is(err, core.ErrLost) {
					_, _ = p.(core.Breaker).Break(context.Background(), o.kind, o.Name())
				}
				return err
			}}
		}),
		caught: []string{"Lock/release-after-loss", "Lock/late-release-spares-the-next-holder"},
	},
	{
		name: "release-does-nothing",
		open: handles(func(_ core.Provider, _ object, h core.Handle) core.Handle {
			var released atomic.Bool
			done := make(chan struct{})
			return &faultyHandle{
				Handle: h,
				done:   func() <-chan struct{} { return done },
				err: func() error {
					if released.Load() {
						return core.ErrReleased
					}
					return nil
				},
				release: func(context.Context) error {
					if released.CompareAndSwap(false, true) {
						close(done)
					}
					return nil
				},
			}
		}),
		caught: []string{"Lock/free-after-release", "Lock/release-with-a-dead-context", "Readers/writer-waits-for-the-last-reader", "Permits/admits-up-to-the-limit", "Several/all-are-held-and-released"},
	},
	{
		name: "release-heeds-a-dead-context",
		open: handles(func(_ core.Provider, _ object, h core.Handle) core.Handle {
			return &faultyHandle{Handle: h, release: func(ctx context.Context) error {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return h.Release(ctx)
			}}
		}),
		caught: []string{"Lock/release-with-a-dead-context", "Lock/release-with-the-context-of-the-acquire"},
	},
	{
		name: "done-closes-late",
		open: handles(func(_ core.Provider, _ object, h core.Handle) core.Handle {
			done := make(chan struct{})
			go func() {
				<-h.Done()
				time.Sleep(2 * time.Millisecond)
				close(done)
			}()
			return &faultyHandle{Handle: h, done: func() <-chan struct{} { return done }}
		}),
		caught: []string{"Lock/done-before-the-next-holder"},
	},
	{
		name: "tokens-repeat",
		open: handles(func(_ core.Provider, _ object, h core.Handle) core.Handle {
			return &faultyHandle{Handle: h, token: func() uint64 { return 1 + h.Token()/2 }}
		}),
		caught: []string{"Lock/tokens-grow", "Lock/tokens-grow-among-competitors", "Readers/tokens-of-readers-and-writers-grow", "Permits/tokens-of-permits-grow"},
	},
	{
		name: "tokens-are-the-provider's-own",
		open: func(p core.Provider) core.Provider {
			var last atomic.Uint64
			return handles(func(_ core.Provider, _ object, h core.Handle) core.Handle {
				token := last.Add(1)
				return &faultyHandle{Handle: h, token: func() uint64 { return token }}
			})(p)
		},
		caught: []string{"Lock/tokens-grow", "Lock/tokens-grow-over-providers", "Lock/tokens-grow-among-competitors"},
	},
}
