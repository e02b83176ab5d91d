package redis

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A server that answers nothing gets few new connections, however many callers go
// on asking: connections alone would keep one busy that has too much to do.
func TestFewConnectionsWhileNothingIsAnswered(t *testing.T) {
	const timeout = 100 * time.Millisecond
	client, came := silent(t, timeout, true)
	p, err := New(client, &Options{Lease: time.Second, Timeout: timeout, ReleaseTimeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 20*timeout)
	defer cancel()
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() {
			l := p.NewLock("a")
			for ctx.Err() == nil {
				if _, err := l.TryAcquire(t.Context()); !errors.Is(err, core.ErrUnavailable) {
					t.Error("a server that does not answer is not told of:", err)
				}
			}
		})
	}
	callers.Wait()
	connections, rounds := len(came), int(time.Since(start)/timeout)
	t.Logf("%d connections in the time of %d requests", connections, rounds)
	if connections > fewFlights+2*rounds {
		t.Error("that is too many")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// The window follows what is lost and answered.
func TestWindow(t *testing.T) {
	w := window{size: fewFlights}
	for range mostFlights {
		w.answered()
	}
	if w.size != mostFlights {
		t.Errorf("%d after answers, want %d", w.size, mostFlights)
	}
	together := time.Now()
	w.lost(together)
	w.lost(together)
	if w.size != mostFlights/2 {
		t.Errorf("%d after two were lost that were out together, want %d", w.size, mostFlights/2)
	}
	for range mostFlights {
		time.Sleep(time.Microsecond) // The clock need not tell each of its ticks.
		w.lost(time.Now())
	}
	if w.size != 1 {
		t.Errorf("%d after more were lost, want 1", w.size)
	}
}
