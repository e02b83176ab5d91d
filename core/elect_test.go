package core_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/memory"
)

func TestElectReturnsWithFn(t *testing.T) {
	l := open(t, nil).NewLock("leader")
	wrong := errors.New("something went wrong")
	for _, want := range []error{nil, wrong} {
		err := core.Elect(t.Context(), l, func(ctx context.Context) error {
			if h := core.Leading(ctx); h == nil || h.Token() == 0 || h.Err() != nil {
				t.Errorf("Leading gives %v", h)
			}
			return want
		})
		if !errors.Is(err, want) || !isFree(t, l) {
			t.Errorf("Elect returned %v, want %v", err, want)
		}
	}
	if core.Leading(t.Context()) != nil {
		t.Error("Leading gives a handle to one who does not lead")
	}
}

func TestElectCampaignsAgainAfterALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		p, rival := open(t, &memory.Options{Server: server}), open(t, &memory.Options{Server: server})
		var terms, inside atomic.Int64
		var last uint64
		err := core.Elect(t.Context(), p.NewLock("leader"), func(ctx context.Context) error {
			if inside.Add(1) != 1 {
				t.Error("two calls of fn overlap")
			}
			defer inside.Add(-1)
			if token := core.Leading(ctx).Token(); token <= last {
				t.Errorf("a term with the token %d comes after %d", token, last)
			} else {
				last = token
			}
			if terms.Add(1) == 3 {
				return nil
			}
			lose(t, p, "leader")
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), core.ErrLost) {
				t.Errorf("fn's context ended with %v", context.Cause(ctx))
			}
			// While fn tidies up, another process may lead; this one may not.
			h, err := rival.NewLock("leader").TryAcquire(t.Context())
			if err != nil {
				t.Errorf("the lock that was lost is not free: %v", err)
				return nil
			}
			time.Sleep(time.Minute)
			return errors.Join(h.Release(t.Context()), errors.New("dropped: the term is over"))
		})
		if err != nil || terms.Load() != 3 {
			t.Errorf("Elect returned %v after %d terms", err, terms.Load())
		}
	})
}

func TestElectHasOneLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.NewServer()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var leaders, terms atomic.Int64
		results := make(chan error)
		for range 3 {
			l := open(t, &memory.Options{Server: server, Lease: 10 * time.Second}).NewLock("leader")
			go func() {
				for {
					err := core.Elect(ctx, l, func(ctx context.Context) error {
						if leaders.Add(1) != 1 {
							t.Error("two lead at a time")
						}
						defer leaders.Add(-1)
						terms.Add(1)
						select {
						case <-time.After(time.Minute): // Longer than the lease.
						case <-ctx.Done():
						}
						return nil
					})
					if err != nil || ctx.Err() != nil {
						results <- err
						return
					}
				}
			}()
		}
		for range 3 {
			if err := <-results; err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Elect returned %v", err)
			}
		}
		if n := terms.Load(); n < 60 || n > 61 {
			t.Errorf("there were %d terms of a minute in an hour", n)
		}
	})
}

func TestElectEndsWithItsContext(t *testing.T) {
	p := open(t, nil)
	l := p.NewLock("leader")
	h, err := l.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	err = core.Elect(ctx, l, func(context.Context) error {
		t.Error("fn runs without the lock")
		return nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Elect returned %v", err)
	}
	_ = h.Release(t.Context())

	ctx, cancel = context.WithCancel(t.Context())
	err = core.Elect(ctx, l, func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || !isFree(t, l) {
		t.Errorf("Elect returned %v", err)
	}
}

// A leader whose context ends and who is lost before it has returned tells of both.
func TestElectEndsWithItsContextAlsoAfterALoss(t *testing.T) {
	p := open(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	err := core.Elect(ctx, p.NewLock("leader"), func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		lose(t, p, "leader")
		return nil
	})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, core.ErrLost) {
		t.Errorf("Elect returned %v", err)
	}
}

func TestElectGivesUpWhereWaitingIsNoCure(t *testing.T) {
	p := open(t, nil)
	never := func(context.Context) error {
		t.Error("fn runs without the lock")
		return nil
	}
	if err := core.Elect(t.Context(), p.NewLock(""), never); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("with a bad name Elect returned %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := core.Elect(t.Context(), p.NewLock("leader"), never); !errors.Is(err, core.ErrClosed) {
		t.Errorf("after Close Elect returned %v", err)
	}
}

func TestElectWaitsForTheBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []time.Duration
		start := time.Now()
		p := open(t, &memory.Options{Fault: func(_ context.Context, m memory.Message) error {
			if m.Op != memory.OpWait || m.Reply {
				return nil
			}
			if attempts = append(attempts, time.Since(start)); time.Since(start) < 30*time.Second {
				return errors.New("connection refused")
			}
			return nil
		}})
		err := core.Elect(t.Context(), p.NewLock("leader"), func(context.Context) error { return nil })
		if err != nil {
			t.Fatalf("Elect returned %v", err)
		}
		// 0.1, 0.2, 0.4 ... 3.2, 5, 5 ... s, less up to a quarter.
		if n := len(attempts); n < 10 || n > 16 {
			t.Errorf("%d attempts in 30 s: %v", n, attempts)
		}
		for i := 1; i < len(attempts); i++ {
			most := min(100*time.Millisecond<<(i-1), 5*time.Second)
			if pause := attempts[i] - attempts[i-1]; pause > most || pause < most*3/4 {
				t.Errorf("the pause %d is %v, want %v less up to a quarter", i, pause, most)
			}
		}
	})
}

// An outage is over by ctx at the latest.
func TestElectDuringAnOutageEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, &memory.Options{Fault: func(context.Context, memory.Message) error { return errors.New("connection refused") }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err := core.Elect(ctx, p.NewLock("leader"), func(context.Context) error { return nil })
		if took := time.Since(start); took != time.Minute || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Elect returned %v after %v", err, took)
		}
	})
}
