package file

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// provider returns a provider of a directory, which the test closes.
func provider(t testing.TB, dir string, o *Options) *Provider {
	t.Helper()
	p, err := New(dir, o)
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

// acquire acquires what is free, or becomes so soon.
func acquire(t testing.TB, l core.Lock) core.Handle {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	h, err := l.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// try acquires what is free.
func try(t testing.TB, l core.Lock) core.Handle {
	t.Helper()
	h, err := l.TryAcquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// busy checks that an object is held.
func busy(t testing.TB, l core.Lock) {
	t.Helper()
	h, err := l.TryAcquire(t.Context())
	if err == nil {
		_ = h.Release(t.Context())
	}
	if !errors.Is(err, core.ErrNotAcquired) {
		t.Fatalf("TryAcquire of what is held: %v", err)
	}
}

func release(t testing.TB, h core.Handle) {
	t.Helper()
	if err := h.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// refuses checks that neither way to acquire a lock works, and that the errors
// match.
func refuses(t *testing.T, l core.Lock, targets ...error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var last error
	for _, acquire := range []func(context.Context) (core.Handle, error){l.TryAcquire, l.Acquire} {
		h, err := acquire(ctx)
		if err == nil {
			_ = h.Release(ctx)
			t.Fatal("it was acquired")
		}
		for _, target := range targets {
			if !errors.Is(err, target) {
				t.Errorf("the error is %q; it must match %q", err, target)
			}
		}
		last = err
	}
	return last
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("this did not come true: %s", what)
		}
	}
}

// lostSoon checks that a hold is told to be lost, by itself.
func lostSoon(t testing.TB, h core.Handle) {
	t.Helper()
	select {
	case <-h.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("Done is not closed")
	}
	if err := h.Err(); !errors.Is(err, core.ErrLost) {
		t.Errorf("Err is %v, want ErrLost", err)
	}
}

// mainPath returns the path of an object's main file.
func mainPath(dir string, kind core.Kind, name string) string {
	return filepath.Join(dir, newObject(kind, name).main)
}

// A recorder is an observer that remembers.
type recorder struct {
	mu     sync.Mutex
	events []core.Event
}

func (r *recorder) Observe(_ context.Context, e core.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// count returns how many events there were of a type.
func (r *recorder) count(t core.EventType) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Type == t {
			n++
		}
	}
	return n
}
