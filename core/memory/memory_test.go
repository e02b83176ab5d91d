package memory_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
	"github.com/distlock/distlock-go/core/memory"
)

func open(t testing.TB, opts *memory.Options) *memory.Provider {
	t.Helper()
	p, err := memory.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func acquire(t testing.TB, l core.Lock) core.Handle {
	t.Helper()
	h, err := l.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestBadOptions(t *testing.T) {
	for _, lease := range []time.Duration{-1, 1, 99 * time.Millisecond} {
		p, err := memory.New(&memory.Options{Lease: lease})
		if p != nil || !errors.Is(err, core.ErrInvalid) {
			t.Errorf("a lease of %v: New returned %v, %v", lease, p, err)
		}
	}
}

func TestProvidersAreApartUnlessTheyShareAServer(t *testing.T) {
	p, q := open(t, nil), open(t, &memory.Options{})
	acquire(t, p.NewLock("a"))
	acquire(t, q.NewLock("a"))
}

func TestInspectTellsWaitersInOrder(t *testing.T) {
	server := memory.NewServer()
	p := open(t, &memory.Options{Server: server, Owner: core.Owner{Program: "p", PID: 1}})
	q := open(t, &memory.Options{Server: server, Owner: core.Owner{Program: "q", PID: 2}})
	h := acquire(t, core.Reader(p.NewRWLock("a")))
	ctx, cancel := context.WithCancel(t.Context())
	var waiters sync.WaitGroup
	for i, l := range []core.Lock{core.Writer(q.NewRWLock("a")), core.Reader(p.NewRWLock("a"))} {
		waiters.Go(func() { _, _ = l.Acquire(ctx) })
		for status(t, p, "a").Waiters == nil || len(status(t, p, "a").Waiters) != i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	st := status(t, q, "a")
	if st.Kind != core.KindRWLock || len(st.Holders) != 1 || !st.Holders[0].Shared || st.Holders[0].Owner.Program != "p" || st.Holders[0].Token != h.Token() {
		t.Errorf("the holders are told as %+v", st.Holders)
	}
	if w := st.Waiters; w[0].Owner.Program != "q" || w[0].Shared || w[1].Owner.Program != "p" || !w[1].Shared || w[1].Since.Before(w[0].Since) {
		t.Errorf("the waiters are told as %+v", w)
	}
	cancel()
	waiters.Wait()
}

// status returns that of the one object of a name.
func status(t *testing.T, p *memory.Provider, name string) core.Status {
	t.Helper()
	all, err := p.Inspect(t.Context(), name)
	if err != nil || len(all) != 1 {
		t.Fatalf("Inspect tells %+v, %v", all, err)
	}
	return all[0]
}

func TestUnlikeLimitsAreTold(t *testing.T) {
	server := memory.NewServer()
	var mu sync.Mutex
	var told []core.Event
	observer := core.ObserverFunc(func(_ context.Context, e core.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Type == core.EventLimitMismatch {
			told = append(told, e)
		}
	})
	p := open(t, &memory.Options{Server: server, Observer: observer})
	acquire(t, p.NewSemaphore("a", 3))
	acquire(t, p.NewSemaphore("a", 3))
	if len(told) != 0 {
		t.Fatalf("like limits are told as %+v", told)
	}
	acquire(t, p.NewSemaphore("a", 5))
	if len(told) != 1 || told[0].Kind != core.KindSemaphore || told[0].Name != "a" || told[0].Err == nil {
		t.Fatalf("the limits 3 and 5 are told as %+v", told)
	}
	if st := status(t, p, "a"); st.Limit != 5 || len(st.Holders) != 3 {
		t.Errorf("Inspect tells %+v", st)
	}
}

func TestInspectAndBreakAfterClose(t *testing.T) {
	p := open(t, nil)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := p.Inspect(t.Context(), "a")
	_, err2 := p.List(t.Context(), "")
	_, err3 := p.Break(t.Context(), core.KindLock, "a")
	for _, err := range []error{err, err2, err3} {
		if !errors.Is(err, core.ErrClosed) {
			t.Errorf("after Close the error is %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open(t, nil).Inspect(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context the error is %v", err)
	}
}

func TestInspectRefusesBadNames(t *testing.T) {
	p := open(t, nil)
	for _, name := range []string{"", "\xff", strings.Repeat("x", driver.MaxName+1)} {
		if all, err := p.Inspect(t.Context(), name); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("Inspect of a bad name: %v, %v", all, err)
		}
	}
}
