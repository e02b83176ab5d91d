package redis

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

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

// Connections that hang for good, of a client that has no time limits, do not keep
// later requests from a server that answers on new ones.
func TestHungConnectionsAreGivenUp(t *testing.T) {
	m := newMutable(t)
	client := goredis.NewClient(&goredis.Options{Addr: m.Addr().String(), ReadTimeout: -1, WriteTimeout: -1, MaxRetries: -1})
	p, err := New(client, &Options{Timeout: 100 * time.Millisecond, ReleaseTimeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ping := func() error {
		c := p.plain("", "ping")
		p.servers.send(c)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		return c.wait(ctx)
	}
	if err := ping(); err != nil {
		t.Fatal(err)
	}
	m.mute.Store(true)
	var callers sync.WaitGroup
	n := p.servers.only()
	for hung := 0; hung < fewFlights; time.Sleep(5 * time.Millisecond) {
		callers.Go(func() { _ = ping() })
		n.mu.Lock()
		hung = len(n.out)
		n.mu.Unlock()
	}
	m.mute.Store(false)
	for end := time.Now().Add(10 * time.Second); ping() != nil; {
		if time.Now().After(end) {
			t.Fatal("no request gets through although the server answers")
		}
	}
	_ = client.Close() // The connections that hang end by it.
	callers.Wait()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if n.flights != 0 || len(n.out) != 0 {
		t.Errorf("%d flights, %d out after all have come back", n.flights, len(n.out))
	}
}
