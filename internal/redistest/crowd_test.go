//go:build unix

package redistest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/distlock/distlock-go/internal/testenv"
)

// A thousand wait for one name. One release lets exactly one of them in, by few
// scripts; and then each in its turn. (Scenario E31.)
func TestOneReleaseLetsOneIn(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	o := lenient()
	o.Lease, o.Claim, o.WaitLease = time.Minute, 30*time.Second, time.Minute
	p, q := open(t, server.URL(), o), open(t, server.URL(), o)
	listening(t, c, q)
	const crowd = 1000
	h := acquire(t, p.NewLock("crowd"))
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	type turn struct {
		i int
		o outcome
	}
	in := make(chan turn, crowd)
	for i := range crowd {
		w := waiting(ctx, q.NewLock("crowd"))
		go func() { in <- turn{i, <-w} }()
		queued(t, c, "crowd", int64(i+1))
	}
	scripts := func() int { return calls(t, c, "evalsha") + calls(t, c, "eval") }
	before := scripts()
	release(t, h)
	first := <-in
	select {
	case other := <-in:
		t.Fatalf("one release has let in %d and %d", first.i, other.i)
	case <-time.After(200 * time.Millisecond): // That nobody else gets in is what is tested.
	}
	if n := scripts() - before; n > 10 {
		t.Errorf("one release has cost %d scripts", n)
	}
	last := h.Token()
	for i, next := 0, first; ; i++ {
		if next.o.err != nil {
			t.Fatalf("number %d: %v", next.i, next.o.err)
		}
		if next.i != i || next.o.h.Token() <= last {
			t.Fatalf("number %d gets in when it is the turn of number %d; its token %d follows %d", next.i, i, next.o.h.Token(), last)
		}
		last = next.o.h.Token()
		release(t, next.o.h)
		if i == crowd-1 {
			return
		}
		next = <-in
	}
}

// Those who wait cost next to nothing: a process speaks for all that wait for one
// name there by one script, when a third of the wait lease has passed.
func TestIdleWaitersAreQuiet(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	p, q := open(t, server.URL(), nil), open(t, server.URL(), nil)
	listening(t, c, p)
	listening(t, c, q)
	ctx, cancel := context.WithCancel(context.Background())
	var ws []<-chan outcome
	names := []string{"idle a", "idle b"}
	const each = 125 // 500 in all
	for _, name := range names {
		h := acquire(t, p.NewLock(name))
		defer release(t, h)
		for range each {
			ws = append(ws, waiting(ctx, p.NewLock(name)), waiting(ctx, q.NewLock(name)))
		}
	}
	for _, name := range names {
		queued(t, c, name, 2*each)
	}
	const watched = 6 * time.Second
	scripts := func() int { return calls(t, c, "evalsha") + calls(t, c, "eval") }
	before, start := scripts(), time.Now()
	time.Sleep(watched) // What happens meanwhile is what is tested.
	n, took := scripts()-before, time.Since(start)
	// Each of the four lines polls every 4.5 s to 5 s, and the holds of one process are
	// renewed together every 5 s, by scripts of their own if they are not due at once.
	rounds := int(took/(4500*time.Millisecond)) + 1
	if most := rounds * (2*len(names) + len(names)); n > most || float64(n) > 3*took.Seconds() {
		t.Errorf("500 waiters have cost %d scripts in %v; the limit is %d", n, took, most)
	}
	cancel()
	for _, w := range ws {
		if o := <-w; o.err == nil {
			t.Error("one who waits behind a hold got in")
		}
	}
	for _, name := range names {
		eventually(t, "those who gave up have left the queue", 10*time.Second, func() bool {
			return c.ZCard(context.Background(), fmt.Sprint("distlock:{", name, "}:q")).Val() == 0
		})
	}
}
