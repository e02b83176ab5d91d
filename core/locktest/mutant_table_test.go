package locktest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
)

var mutants = []mutant{
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
					case <-time.After(time.Millisecond):
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
	{
		name:   "reader-passes-a-waiting-writer",
		open:   readersJoin,
		caught: []string{"Readers/waiting-writer-stops-later-readers", "Readers/waiting-writer-stops-readers-of-other-providers", "Readers/writer-gets-in-among-overlapping-readers"},
	},
	{
		name: "readers-exclude-each-other",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, object: func(p core.Provider, o object) core.Lock {
				if o.shared {
					return core.Writer(p.NewRWLock(o.Name()))
				}
				return o.Lock
			}}
		},
		caught: []string{"Readers/readers-share", "Readers/readers-behind-a-writer-enter-together"},
	},
	{
		name: "writer-ignores-readers",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, object: func(p core.Provider, o object) core.Lock {
				if o.kind == core.KindRWLock && !o.shared {
					return p.NewLock(o.Name())
				}
				return o.Lock
			}}
		},
		caught: []string{"Readers/readers-and-writer-exclude-each-other", "Readers/writer-waits-for-the-last-reader", "Readers/no-upgrade", "Readers/readers-and-writers-under-stress"},
	},
	{
		name: "one-permit-too-many",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, limit: func(n int) int { return n + 1 }}
		},
		caught: []string{"Semaphore1/excludes", "Semaphore5/excludes", "Permits/admits-up-to-the-limit", "Permits/every-permit-is-used", "Permits/limit-must-be-positive", "Permits/huge-limit"},
	},
	{
		name: "one-permit-too-few",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, limit: func(n int) int { return max(n-1, min(n, 1)) }}
		},
		caught: []string{"Permits/admits-up-to-the-limit", "Permits/every-permit-is-used", "Semaphore5/free-after-release"},
	},
	{
		name:   "names-ignore-case",
		open:   func(p core.Provider) core.Provider { return &faulty{Provider: p, name: strings.ToLower} },
		caught: []string{"Names/names-that-differ-are-different"},
	},
	{
		name:   "names-are-trimmed",
		open:   func(p core.Provider) core.Provider { return &faulty{Provider: p, name: strings.TrimSpace} },
		caught: []string{"Names/names-that-differ-are-different"},
	},
	{
		name: "names-are-cut-off",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, name: func(s string) string { return strings.ToValidUTF8(s[:min(len(s), 255)], "") }}
		},
		caught: []string{"Names/names-that-differ-are-different", "Names/bad-names-are-refused"},
	},
	{
		name: "names-are-paths",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, name: func(s string) string { return strings.TrimRight(s, "/") }}
		},
		caught: []string{"Names/names-that-differ-are-different"},
	},
	{
		name: "empty-name-is-a-name",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, name: func(s string) string {
				if s == "" {
					return "default"
				}
				return s
			}}
		},
		caught: []string{"Names/bad-names-are-refused"},
	},
	{
		name: "kinds-are-one",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, object: func(p core.Provider, o object) core.Lock {
				if o.kind == core.KindRWLock && o.shared {
					return o.Lock
				}
				return p.NewLock(o.Name())
			}}
		},
		caught: []string{"Names/kinds-are-different"},
	},
	{
		name:   "close-does-nothing",
		open:   func(p core.Provider) core.Provider { return &faulty{Provider: p, close: func() error { return nil }} },
		caught: []string{"Close/close-ends-waiters", "Close/close-ends-holds", "Close/close-frees-what-it-held", "Close/nothing-after-close", "Close/close-amid-traffic", "Lock/tokens-grow-over-providers"},
	},
	{
		name: "close-fails-the-second-time",
		open: func(p core.Provider) core.Provider {
			var closed atomic.Bool
			return &faulty{Provider: p, close: func() error {
				if closed.Swap(true) {
					return core.ErrClosed
				}
				return p.Close()
			}}
		},
		caught: []string{"Close/close-again"},
	},
	{
		name: "close-leaves-a-goroutine",
		open: func(p core.Provider) core.Provider {
			go func() { select {} }()
			return p
		},
		caught: []string{"Lock/free-after-release", "Close/close-again"},
	},
	{
		name: "close-hangs",
		open: func(p core.Provider) core.Provider {
			return &faulty{Provider: p, close: func() error { select {} }}
		},
		caught: []string{"Close/close-again", "Lock/free-after-release"},
	},
	{
		name:   "a-hold-is-left-behind",
		open:   leavesAHold,
		caught: []string{"Lock/free-after-release", "Lock/excludes"},
	},
}

// kept keeps handles from the garbage collector.
var kept sync.Map
