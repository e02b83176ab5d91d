package locktest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
)

var closeRules = []rule{
	{
		name: "close-ends-waiters",
		text: "Close ends every wait of its provider at once, with ErrClosed, and no other provider's.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			var held []core.Handle
			var ours, others []*waiter
			for _, l := range []core.Lock{q.NewLock(name), writer(q, name), q.NewSemaphore(name, 1)} {
				held = append(held, t.acquire(l))
			}
			for _, of := range []core.Provider{p, q} {
				for _, l := range []core.Lock{of.NewLock(name), of.NewLock(name), reader(of, name), writer(of, name), of.NewSemaphore(name, 1)} {
					w := t.start(l)
					if of == p {
						ours = append(ours, w)
					} else {
						others = append(others, w)
					}
				}
			}
			for _, w := range append(ours, others...) {
				w.blocked()
			}
			t.close(p)
			for _, w := range ours {
				err := w.failed()
				t.matches("Acquire of a provider that was closed", err, core.ErrClosed)
				if errors.Is(err, context.Canceled) || errors.Is(err, core.ErrNotAcquired) {
					t.Errorf("Acquire: the error is %q; it must tell of Close only", err)
				}
			}
			for _, w := range others {
				w.blocked()
				w.cancel()
				w.failed()
			}
			t.releaseAll(held)
			for _, l := range []core.Lock{q.NewLock(name), writer(q, name), q.NewSemaphore(name, 1)} {
				t.release(t.soonFree(l))
			}
		},
	},
	{
		name: "close-ends-holds",
		text: "Close ends every hold of its provider: Done is closed, Err matches ErrLost and ErrClosed, and so does Release.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			held := t.oneOfEach(p, name)
			released := t.acquire(p.NewLock(t.name()))
			t.release(released)
			t.close(p)
			for _, h := range held {
				t.lost(h)
				t.matches("Err of a hold that Close has ended", h.Err(), core.ErrClosed)
				start := time.Now()
				t.matches("Release of a hold that Close has ended", h.Release(t.Context()), core.ErrLost)
				if took := time.Since(start); took > t.soon() {
					t.Errorf("Release after Close took %v", took)
				}
			}
			t.matches("Err of a hold that was released before Close", released.Err(), core.ErrReleased)
			t.release(released)
		},
	},
	{
		name: "close-frees-what-it-held",
		text: "When Close returns, what its provider held is free for others, and those who wait for it get it.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			held := t.oneOfEach(p, name)
			w := t.wait(q.NewLock(name))
			runtime.KeepAlive(held) // A dropped handle would be released.
			t.close(p)
			t.release(w.granted())
			for _, l := range []core.Lock{q.NewLock(name), writer(q, name), q.NewSemaphore(name, 1)} {
				t.release(t.soonFree(l))
			}
		},
	},
	{
		name: "close-is-private",
		text: "Close of one provider leaves the holds of the others as they are.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			held := t.oneOfEach(q, name)
			t.release(t.acquire(p.NewLock(t.name())))
			t.close(p)
			t.pause()
			r := t.open()
			for _, h := range held {
				t.held(h)
			}
			t.busy(r.NewLock(name))
			t.busy(writer(r, name))
			t.busy(r.NewSemaphore(name, 1))
			t.releaseAll(held)
		},
	},
	{
		name: "nothing-after-close",
		text: "After Close every acquire fails with ErrClosed; making a lock does not.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			before := everyKind(p, name)
			t.close(p)
			for _, l := range append(before, everyKind(p, name)...) {
				_, err := l.Acquire(t.Context())
				t.matches("Acquire after Close", err, core.ErrClosed)
				_, err = l.TryAcquire(t.Context())
				t.matches("TryAcquire after Close", err, core.ErrClosed)
			}
		},
	},
	{
		name: "close-again",
		text: "Closing again, also at the same time, does nothing and reports no error.",
		test: func(t *trial) {
			p := t.open()
			t.oneOfEach(p, t.name())
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := p.Close(); err != nil {
						t.Errorf("Close failed: %v", err)
					}
				})
			}
			t.finished(&all)
			t.close(p)
		},
	},
	{
		name: "close-amid-traffic",
		text: "Close while acquires and releases are under way leaves nothing held, and each of these gets a result.",
		test: func(t *trial) {
			q, name := t.open(), t.name()
			for range 5 {
				p := t.open()
				var all sync.WaitGroup
				busy := make(chan struct{}, 100)
				for i := range 16 {
					l := everyKind(p, name)[i%4]
					all.Go(func() {
						for {
							h, err := l.Acquire(context.Background())
							if errors.Is(err, core.ErrClosed) {
								return
							}
							if err != nil {
								t.Errorf("Acquire failed: %v", err)
								return
							}
							select {
							case busy <- struct{}{}:
							default:
							}
							if i%3 == 0 {
								return // Close must end what nobody has released.
							}
							if err := h.Release(context.Background()); err != nil && !errors.Is(err, core.ErrLost) {
								t.Errorf("Release failed: %v", err)
							}
						}
					})
				}
				<-busy
				t.close(p)
				t.finished(&all)
				for _, l := range []core.Lock{q.NewLock(name), writer(q, name), q.NewSemaphore(name, 3)} {
					t.release(t.soonFree(l))
				}
			}
		},
	},
}

// close closes a provider, in good time.
func (t *trial) close(p core.Provider) {
	t.Helper()
	closed := make(chan error, 1)
	go func() { closed <- p.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Fatalf("Close failed: %v", err)
		}
	case <-time.After(t.patience()):
		t.Fatalf("Close does not return.\n%s", stacks())
	}
}

// oneOfEach acquires a lock, both sides of a reader-writer lock, and the only
// permit of a semaphore.
func (t *trial) oneOfEach(p core.Provider, name string) []core.Handle {
	t.Helper()
	other := t.name()
	return []core.Handle{
		t.acquire(p.NewLock(name)),
		t.acquire(reader(p, other)),
		t.acquire(writer(p, name)),
		t.acquire(p.NewSemaphore(name, 1)),
	}
}
