package redis

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// down returns a client of a server that is down, and where it tells of its dials.
func down(t *testing.T) (*goredis.Client, <-chan struct{}) {
	t.Helper()
	dials := make(chan struct{}, 1000)
	client := goredis.NewClient(&goredis.Options{
		DialerRetries: 1,
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			select {
			case dials <- struct{}{}:
			default:
			}
			return nil, errors.New("it is down")
		},
	})
	t.Cleanup(func() { _ = client.Close() })
	return client, dials
}

// A server that is down is tried with pauses also while Close waits for what is to be
// given back.
func TestTheReceiverPausesWhileCloseWaits(t *testing.T) {
	client, dials := down(t)
	p, err := New(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.receiver.start()
	<-dials
	_ = p.engine.Close() // The first thing that Close does.
	for len(dials) > 0 {
		<-dials
	}
	began := time.Now()
	for n, over := 0, time.After(10*leastPause); over != nil; {
		select {
		case <-over:
			over = nil
		case <-dials:
			if n++; n == 20 {
				t.Fatalf("%d dials in %v", n, time.Since(began))
			}
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// A client that the application has closed too early is like a server that is down.
func TestTheReceiverOfAClosedClient(t *testing.T) {
	client, dials := down(t)
	degraded := make(chan struct{}, 1)
	p, err := New(client, &Options{Observer: core.ObserverFunc(func(_ context.Context, e core.Event) {
		if e.Type == core.EventDegraded {
			degraded <- struct{}{}
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_ = client.Close()
	p.receiver.start()
	select {
	case <-degraded:
	case <-time.After(20 * time.Second):
		t.Errorf("it was not told, after %d dials", len(dials))
	}
}

// Messages that nobody may send do not come, though there is a subscription: those
// who wait look for themselves until that changes.
func TestMessagesThatNobodyMaySend(t *testing.T) {
	client, _ := down(t)
	events := make(chan core.EventType, 3)
	p, err := New(client, &Options{Observer: core.ObserverFunc(func(_ context.Context, e core.Event) { events <- e.Type })})
	if err != nil {
		t.Fatal(err)
	}
	r := &p.receiver
	r.alive = true
	r.probed(-2)
	if e := <-events; r.live() || e != core.EventDegraded {
		t.Errorf("a PUBLISH that is refused: live is %v, and the observer is told %v", r.live(), e)
	}
	r.probed(-1)
	if r.live() {
		t.Error("a poll without a probe counts as one that was permitted")
	}
	r.probed(1)
	if e := <-events; !r.live() || e != core.EventRecovered {
		t.Errorf("a PUBLISH that is permitted: live is %v, and the observer is told %v", r.live(), e)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
