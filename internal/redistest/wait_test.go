//go:build unix

package redistest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// With every message lost a waiter still gets in, by a poll.
func TestLostGrantIsFound(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	c := admin(t, server)
	o := quick()
	o.WaitLease = 1200 * time.Millisecond // A poll comes well before the claim of the grant is over.
	p, q := open(t, server.URL(), quick()), open(t, through(t, server.URL(), proxy), o)
	listening(t, c, q)
	proxy.SetHook(func(e faultproxy.Event) faultproxy.Action {
		if e.Direction == faultproxy.Down && contains(e.Data, "G|") {
			return faultproxy.Mute
		}
		return faultproxy.Forward
	})
	h := acquire(t, p.NewLock("hint"))
	w := waiting(patient(t), q.NewLock("hint"))
	queued(t, c, "hint", 1)
	release(t, h)
	start := time.Now()
	release(t, granted(t, w))
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("a waiter that missed its grant got in after %v; a third of the wait lease is 0.4s", d)
	}
}

// The subscription is cut: waiters are told as soon as it is back.
func TestCutSubscriptionRecovers(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	o := quick()
	o.WaitLease = 60 * time.Second // No poll makes up for it.
	p, q := open(t, server.URL(), quick()), open(t, server.URL(), o)
	listening(t, c, q)
	for i := range 20 {
		name := fmt.Sprint("cut", i)
		h := acquire(t, p.NewLock(name))
		w := waiting(patient(t), q.NewLock(name))
		queued(t, c, name, 1)
		kill := make(chan error, 1)
		go func() { kill <- c.ClientKillByFilter(context.Background(), "TYPE", "pubsub").Err() }()
		release(t, h)
		start := time.Now()
		release(t, granted(t, w))
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("round %d: the waiter got in after %v", i, d)
		}
		if err := <-kill; err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.PubSubChannels(context.Background(), "distlock:n:*").Val()); n > 2 {
		t.Errorf("%d channels have subscribers; there are two providers", n)
	}
}

// The connection of the subscription is silently dead, which the driver does not
// notice. Our own probe does, and the next subscription is told of a hand-over.
func TestBlackHoleOfSubscriptionIsNoticed(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	c := admin(t, server)
	var events log
	o := quick()
	o.Observer, o.WaitLease, o.Lease = &events, 9*time.Second, time.Minute
	p, q := open(t, server.URL(), o), open(t, through(t, server.URL(), proxy), o)
	listening(t, c, q)
	var dead, next, told atomic.Int64 // connections: the dead one, its successor, and that of the grant
	proxy.SetHook(func(e faultproxy.Event) faultproxy.Action {
		conn := int64(e.Conn)
		switch {
		case e.Direction == faultproxy.Up:
		case contains(e.Data, "P|") && dead.CompareAndSwap(0, conn):
			return faultproxy.Mute
		case contains(e.Data, "subscribe") && dead.Load() != 0:
			next.Store(conn)
		case contains(e.Data, "G|"):
			told.Store(conn)
		}
		return faultproxy.Forward
	})
	h := acquire(t, p.NewLock("hole"))
	w := waiting(patient(t), q.NewLock("hole"))
	eventually(t, "the probe fails and the subscription is replaced", 20*time.Second, func() bool {
		return events.saw(core.EventProbeFailed) && next.Load() != 0
	})
	release(t, h)
	start := time.Now()
	release(t, granted(t, w))
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("the waiter got in after %v: it was not told, but found out", d)
	}
	eventually(t, "the new subscription is told of the grant", 5*time.Second, func() bool {
		return told.Load() == next.Load() && told.Load() != dead.Load()
	})
}

// A user without the right to subscribe waits by polling, in order, and hears so.
func TestPollingWithoutChannels(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	rules := append([]string{"mute", "on", ">pw"}, withoutChannels(redis.ACL("", false))...)
	setUser(t, c, rules)
	var events log
	o := lenient()
	o.Observer = &events
	p := open(t, withUser(t, server.URL(), "mute", "pw"), o)
	var ws []<-chan outcome
	h := acquire(t, p.NewLock("poll"))
	for i := range 5 {
		ws = append(ws, waiting(patient(t), p.NewLock("poll")))
		queued(t, c, "poll", int64(i+1))
	}
	for _, w := range ws {
		release(t, h)
		h = granted(t, w)
	}
	release(t, h)
	eventually(t, "the observer hears of it", 5*time.Second, func() bool { return events.saw(core.EventDegraded) })
}

// A waiter whose process is gone is passed over by the release itself.
func TestDeadWaitersAreSkipped(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	o := quick()
	o.Lease, o.Claim, o.WaitLease = 30*time.Second, 30*time.Second, 60*time.Second
	p, q := open(t, server.URL(), o), open(t, server.URL(), o)
	listening(t, c, q)
	h := acquire(t, p.NewLock("dead"))
	now := time.Now()
	for i := range 5 { // Five processes that queued and died.
		inst := fmt.Sprintf("%024x", i+1)
		c.ZAdd(context.Background(), "distlock:{dead}:q", goredis.Z{Score: float64(now.UnixMicro() + int64(i)), Member: inst + "|1|w|1|1"})
		c.HSet(context.Background(), "distlock:{dead}:w", inst, fmt.Sprintf("%d+", now.Add(time.Minute).UnixMilli()))
	}
	w := waiting(patient(t), q.NewLock("dead"))
	queued(t, c, "dead", 6)
	release(t, h)
	start := time.Now()
	release(t, granted(t, w))
	if d := time.Since(start); d > 500*time.Millisecond {
		t.Errorf("five dead waiters took %v", d)
	}
}

// So are those who queued before their process had its subscription, and whose process
// died when it had it: no claim is spent on any of them.
func TestDeadWaitersWhoCameEarlyAreSkipped(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	c := admin(t, server)
	o := lenient()
	o.Lease, o.Claim, o.WaitLease = 60*time.Second, 60*time.Second, 120*time.Second
	p, q, r := open(t, server.URL(), o), open(t, through(t, server.URL(), proxy), o), open(t, server.URL(), o)
	listening(t, c, r)
	h := acquire(t, p.NewLock("early"))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	proxy.SetRoundTrip(100 * time.Millisecond)
	var lost []<-chan outcome
	for range 3 {
		lost = append(lost, waiting(ctx, q.NewLock("early")))
	}
	queued(t, c, "early", 3)
	for _, record := range c.ZRange(ctx, "distlock:{early}:q", 0, -1).Val() {
		if !strings.HasSuffix(record, "|0") {
			t.Fatalf("a waiter came after the subscription, %s", record)
		}
	}
	proxy.SetRoundTrip(0)
	eventually(t, "the process says that it listens", 10*time.Second, func() bool {
		said := c.HVals(ctx, "distlock:{early}:w").Val()
		return len(said) == 1 && strings.HasSuffix(said[0], "+")
	})
	w := waiting(patient(t), r.NewLock("early"))
	queued(t, c, "early", 4)
	inst, _, _ := strings.Cut(c.ZRange(ctx, "distlock:{early}:q", 0, 0).Val()[0], "|")
	proxy.Refuse(true)
	proxy.Cut()
	eventually(t, "the server sees that it is gone", 10*time.Second, func() bool {
		return c.PubSubNumSub(ctx, "distlock:n:"+inst).Val()["distlock:n:"+inst] == 0
	})
	release(t, h)
	release(t, granted(t, w))
	proxy.Refuse(false)
	cancel()
	for _, l := range lost {
		if o := <-l; !errors.Is(o.err, context.Canceled) {
			t.Errorf("one who was cut off got %v", o.err)
		}
	}
}

// One that is half-open costs the time of its claim, and no more.
func TestSilentWaiterCostsItsClaim(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	c := admin(t, server)
	p, q, r := open(t, server.URL(), quick()), open(t, through(t, server.URL(), proxy), quick()), open(t, server.URL(), quick())
	listening(t, c, q)
	listening(t, c, r)
	h := acquire(t, p.NewLock("open"))
	ctx, cancel := context.WithCancel(context.Background())
	lost := waiting(ctx, q.NewLock("open"))
	queued(t, c, "open", 1)
	w := waiting(patient(t), r.NewLock("open"))
	queued(t, c, "open", 2)
	proxy.BlackHole()
	release(t, h)
	start := time.Now()
	release(t, granted(t, w))
	if d := time.Since(start); d > 3*time.Second {
		t.Errorf("a waiter behind a silent one got in after %v; the claim is 1s and a third of the wait lease 1s", d)
	}
	cancel()
	if o := <-lost; !errors.Is(o.err, context.Canceled) {
		t.Errorf("the silent one got %v", o.err)
	}
	proxy.Heal()
}

// A break is told to the victim at once, and lets the next one in.
func TestBreakIsPushed(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	o := lenient()
	o.Lease, o.WaitLease = 60*time.Second, 60*time.Second // No renewal and no poll finds out.
	p, q := open(t, server.URL(), o), open(t, server.URL(), o)
	listening(t, c, p)
	listening(t, c, q)
	for kind, objects := range map[core.Kind][2]core.Lock{
		core.KindLock:      {p.NewLock("b"), q.NewLock("b")},
		core.KindRWLock:    {core.Reader(p.NewRWLock("b")), core.Writer(q.NewRWLock("b"))},
		core.KindSemaphore: {p.NewSemaphore("b", 1), q.NewSemaphore("b", 1)},
	} {
		h := acquire(t, objects[0])
		w := waiting(patient(t), objects[1])
		eventually(t, "it waits", 10*time.Second, func() bool {
			return c.Exists(context.Background(), "distlock:{b}:q", "distlock:{b}:rw:q", "distlock:{b}:sem:q").Val() == 1
		})
		start := time.Now()
		n, err := q.Break(patient(t), kind, "b")
		if n != 1 || err != nil {
			t.Fatalf("Break of a %s returned %d, %v", kind, n, err)
		}
		select {
		case <-h.Done():
		case <-time.After(5 * time.Second):
			t.Fatalf("the holder of a %s was not told", kind)
		}
		if d := time.Since(start); d > 200*time.Millisecond {
			t.Errorf("the holder of a %s was told after %v", kind, d)
		}
		if !errors.Is(h.Err(), core.ErrLost) {
			t.Errorf("Err is %v", h.Err())
		}
		next := granted(t, w)
		if next.Token() <= h.Token() {
			t.Errorf("%s: the token %d follows %d", kind, next.Token(), h.Token())
		}
		release(t, next)
	}
}

// listening makes a provider wait once, so that it has its subscription.
func listening(t testing.TB, c *goredis.Client, p *redis.Provider) {
	t.Helper()
	before := len(c.PubSubChannels(context.Background(), "distlock:n:*").Val())
	h := acquire(t, p.NewLock("listening"))
	w := waiting(patient(t), p.NewLock("listening"))
	eventually(t, "the provider listens", 10*time.Second, func() bool {
		return len(c.PubSubChannels(context.Background(), "distlock:n:*").Val()) > before
	})
	release(t, h)
	release(t, granted(t, w))
}
