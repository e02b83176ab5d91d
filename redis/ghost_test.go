package redis

import (
	"context"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A waiter that stands in the queue asks again, is cancelled while that request waits
// for others, and the request is never sent. Its place is given up all the same.
func TestAPlaceIsGivenUpWhenTheLastRequestWasNotSent(t *testing.T) {
	client := testServer(t)
	p, err := New(client, &Options{Prefix: "ghost" + newInst(), Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	h, err := p.NewLock("a").Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := p.claimer(core.KindLock, "a", 'w', 1)
	w := p.lines.expect(c, c.attempt(false), 0)
	defer p.lines.leave(w)
	if _, err := w.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	queue := func() int64 { return client.ZCard(t.Context(), c.keys[queueKey]).Val() }
	if n := queue(); n != 1 {
		t.Fatalf("%d in the queue, want the waiter", n)
	}
	n := p.servers.only()
	hang := func(by int) {
		n.mu.Lock()
		n.flights += by
		n.mu.Unlock()
	}
	hang(100) // As if that many were out.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.enter(ctx); !over(ctx, err) {
		t.Errorf("the request ended with %v", err)
	}
	// The request ends unsent, and the others after it.
	time.AfterFunc(2*p.opts.Timeout, func() { hang(-100) })
	for end := time.Now().Add(30 * time.Second); queue() != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("its place is kept")
		}
	}
	if err := h.Release(t.Context()); err != nil {
		t.Error(err)
	}
}
