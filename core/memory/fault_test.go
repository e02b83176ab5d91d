package memory_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/memory"
)

// Whatever message of whatever operation is lost, the caller is told, and what
// the server may have granted is given back.
func TestLostMessages(t *testing.T) {
	for _, reply := range []bool{false, true} {
		for _, op := range []memory.Op{memory.OpClaim, memory.OpWait, memory.OpRelease} {
			name := string(op) + " request"
			if reply {
				name = string(op) + " reply"
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testLostMessage(t, op, reply) })
			})
		}
	}
}

func testLostMessage(t *testing.T, op memory.Op, reply bool) {
	server := memory.NewServer()
	reset := errors.New("connection reset")
	lost := 0
	p := open(t, &memory.Options{Server: server, Fault: func(_ context.Context, m memory.Message) error {
		if m.Op == op && m.Reply == reply && lost == 0 {
			lost++
			return reset
		}
		return nil
	}})
	l := p.NewLock("a")
	var err error
	switch op {
	case memory.OpClaim:
		_, err = l.TryAcquire(t.Context())
	case memory.OpWait:
		_, err = l.Acquire(t.Context())
	case memory.OpRelease:
		err = acquire(t, l).Release(t.Context())
	}
	if !errors.Is(err, reset) || !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNotAcquired) {
		t.Errorf("the error is %v", err)
	}
	// Another process gets the lock, after a pause between two attempts at most.
	q := open(t, &memory.Options{Server: server})
	start := time.Now()
	h := acquire(t, q.NewLock("a"))
	if took := time.Since(start); took > 100*time.Millisecond {
		t.Errorf("what was lost was given back after %v", took)
	}
	time.Sleep(time.Hour)
	if h.Err() != nil {
		t.Errorf("the late give-back has ended another hold: %v", h.Err())
	}
}

// A message that is delayed is given up when the context ends, and the error
// tells that it was not a holder who was waited for.
func TestDelayedMessages(t *testing.T) {
	for _, reply := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := memory.NewServer()
			p := open(t, &memory.Options{Server: server, Fault: func(ctx context.Context, m memory.Message) error {
				if m.Op == memory.OpRelease || m.Reply != reply {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			}})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			_, err := p.NewLock("a").Acquire(ctx)
			if took := time.Since(start); took != time.Second {
				t.Errorf("Acquire returned after %v", took)
			}
			if !errors.Is(err, core.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, core.ErrNotAcquired) {
				t.Errorf("the error is %v", err)
			}
			q := open(t, &memory.Options{Server: server})
			acquire(t, q.NewLock("a"))
		})
	}
}

// A fault is told about each message what it is.
func TestMessages(t *testing.T) {
	var mu sync.Mutex
	var got []memory.Message
	p := open(t, &memory.Options{Fault: func(_ context.Context, m memory.Message) error {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, m)
		return nil
	}})
	h := acquire(t, core.Reader(p.NewRWLock("a")))
	_ = h.Release(t.Context())
	if _, err := p.NewSemaphore("b", 2).TryAcquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []memory.Message{
		{Op: memory.OpWait, Kind: core.KindRWLock, Name: "a", Shared: true},
		{Op: memory.OpWait, Kind: core.KindRWLock, Name: "a", Shared: true, Reply: true},
		{Op: memory.OpRelease, Kind: core.KindRWLock, Name: "a", Shared: true},
		{Op: memory.OpRelease, Kind: core.KindRWLock, Name: "a", Shared: true, Reply: true},
		{Op: memory.OpClaim, Kind: core.KindSemaphore, Name: "b"},
		{Op: memory.OpClaim, Kind: core.KindSemaphore, Name: "b", Reply: true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// A server that cannot be reached for long costs the holder nothing but its
// release: that goes on in the background until it gets through.
func TestReleaseDuringAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, network := memory.NewServer(), new(partition)
		p := open(t, &memory.Options{Server: server, Fault: network.fault})
		q := open(t, &memory.Options{Server: server})
		h := acquire(t, p.NewLock("a"))
		network.cut.Store(true)
		if err := h.Release(t.Context()); !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("Release returned %v", err)
		}
		time.AfterFunc(3*time.Second, func() { network.cut.Store(false) })
		start := time.Now()
		acquire(t, q.NewLock("a"))
		if took := time.Since(start); took < 3*time.Second || took > 5*time.Second {
			t.Errorf("the lock was free after %v; the outage took 3 s", took)
		}
	})
}
