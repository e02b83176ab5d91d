package redis

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// A grant that was pushed is believed from a moment at which it was not made yet,
// whatever the server's clock has done since its last reply.
func TestAGrantIsNotBelievedFromAfterItWasMade(t *testing.T) {
	const term = 3 * time.Second
	now := time.Now()
	for name, c := range map[string]struct {
		asked  time.Duration // before now
		reply  time.Duration // before now, the last that told the server's time
		made   time.Duration // before now
		ahead  time.Duration // by which the clock was set since the reply; negative: back
		trusts bool          // enough of it is left to use it
	}{
		"right clock, just asked":     {asked: 10 * time.Millisecond, reply: time.Minute, made: time.Millisecond, trusts: true},
		"right clock, asked long ago": {asked: time.Minute, reply: 5 * time.Second, made: time.Millisecond, trusts: true},
		"late":                        {asked: time.Minute, reply: 5 * time.Second, made: 2900 * time.Millisecond},
		"set ahead, just asked":       {asked: 700 * time.Millisecond, reply: time.Minute, made: 600 * time.Millisecond, ahead: 10 * time.Second, trusts: true},
		"set ahead, asked long ago":   {asked: time.Minute, reply: 5 * time.Second, made: 2500 * time.Millisecond, ahead: 10 * time.Second},
		"set back":                    {asked: time.Minute, reply: 5 * time.Second, made: time.Millisecond, ahead: -10 * time.Second},
	} {
		const server = 1_700_000_000_000 // its time at now, before it was set
		n := new(node)
		n.clock.note(&call{sent: now.Add(-c.reply), back: now.Add(-c.reply)}, server-c.reply.Milliseconds())
		from, seems := made(now, now.Add(-c.asked), term, server+(c.ahead-c.made).Milliseconds(), n)
		if from.After(now.Add(-c.made)) {
			t.Errorf("%s: made %v ago, and believed from %v ago", name, c.made, now.Sub(from))
		}
		if seems.After(now) {
			t.Errorf("%s: it seems to be made %v from now", name, seems.Sub(now))
		}
		if g := (grant{from: from, term: term}); g.stale() == c.trusts {
			t.Errorf("%s: believed for %v more, stale: %v", name, from.Add(term).Sub(now), g.stale())
		}
	}
}

// A grant by a process whose claim is longer than a lease here is believed for a
// lease: the first renewal makes it one.
func TestAGrantIsBelievedForALeaseAtMost(t *testing.T) {
	p := nowhere(t, &Options{Lease: time.Second})
	c := p.claimer("lock", "a", 'w', 1)
	w := p.lines.join(c, c.attempt(true), 0)
	defer p.lines.leave(w)
	p.lines.arrived(w.seq, 7, time.Now().UnixMilli(), 3000, c.keys[stateKey])
	if g := <-w.grants; g.term != p.opts.Lease {
		t.Errorf("a grant for 3s is believed for %v, and the lease is %v", g.term, p.opts.Lease)
	}
	p.lines.arrived(w.seq, 7, time.Now().UnixMilli(), 300, c.keys[stateKey])
	if g := <-w.grants; g.term != 300*time.Millisecond {
		t.Errorf("a grant for 300ms is believed for %v", g.term)
	}
}

// A grant that was made before the server said that the attempt queues is an earlier
// one of the same attempt, and over: it is not believed, whether it comes after that
// answer or lies there when the answer comes.
func TestAGrantOfBeforeTheLastAnswerIsNotBelieved(t *testing.T) {
	p := nowhere(t, nil)
	c := p.claimer("lock", "a", 'w', 1)
	w := p.lines.join(c, c.attempt(true), 0)
	defer p.lines.leave(w)
	grants, asks := func() int { return len(w.grants) }, func() int { return len(w.astray) }
	for _, step := range []struct {
		what           string
		do             func()
		grants, astray int
	}{
		{"the first answer", func() { p.lines.queued(w, answer{call: &call{sent: time.Now()}, now: 5000, ticket: 1}) }, 0, 0},
		{"a grant of before it", func() { p.lines.arrived(w.seq, 7, 1000, 3000, c.keys[stateKey]) }, 0, 1},
		{"one that a poll of before has found", func() { p.lines.found(w, 7, time.Now(), 4000, 3*time.Second) }, 0, 1},
		{"a grant of the same time", func() { p.lines.arrived(w.seq, 8, 5000, 3000, c.keys[stateKey]) }, 1, 0},
		{"an answer of before that grant", func() { p.lines.waits(w, time.Now(), 4500) }, 1, 0},
		{"a poll that says that it queues", func() { p.lines.waits(w, time.Now(), 6000) }, 0, 1},
		{"another grant", func() { p.lines.arrived(w.seq, 9, 6001, 3000, c.keys[stateKey]) }, 1, 0},
		{"an answer that says that it queues", func() { p.lines.queued(w, answer{call: &call{sent: time.Now()}, now: 7000, ticket: 1}) }, 0, 1},
	} {
		select {
		case <-w.astray:
		default:
		}
		if step.do(); grants() != step.grants || asks() != step.astray {
			t.Errorf("after %s, at %d: %d grants to take in and %d times to ask again; want %d and %d",
				step.what, w.without, grants(), asks(), step.grants, step.astray)
		}
	}
}

// A message of an earlier grant that comes late makes no hold while another process
// holds the lock.
func TestALateMessageOfAnEarlierGrant(t *testing.T) {
	c := testServer(t)
	o := &Options{Prefix: "late" + newInst()}
	var ps [2]*Provider
	for i := range ps {
		p, err := New(c, o)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		ps[i] = p
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	held, err := ps[0].NewLock("a").Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan core.Handle, 1)
	go func() {
		h, err := ps[1].NewLock("a").Acquire(ctx)
		if err != nil {
			t.Error(err)
		}
		got <- h
	}()
	state, channel := ps[1].keys(core.KindLock, "a")[stateKey], ps[1].channel(ps[1].inst)
	for c.ZCard(ctx, state+":q").Val() != 1 || !ps[1].receiver.live() {
		if ctx.Err() != nil {
			t.Fatal("the waiter does not queue, or does not listen")
		}
		time.Sleep(time.Millisecond)
	}
	record := c.ZRange(ctx, state+":q", 0, 0).Val()[0]
	was := time.Now().Add(-time.Minute).UnixMilli()
	late := fmt.Sprintf("G|%s|7|%d|3000|%s", strings.Split(record, "|")[1], was, state)
	if n, err := c.Publish(ctx, channel, late).Result(); n != 1 || err != nil {
		t.Fatalf("%d have heard of it: %v", n, err)
	}
	if err := c.Publish(ctx, channel, "P|1000000").Err(); err != nil {
		t.Fatal(err)
	}
	for seen := int64(0); seen < 1000000; time.Sleep(time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatal("the message did not come")
		}
		ps[1].receiver.mu.Lock()
		seen = ps[1].receiver.seenProbe
		ps[1].receiver.mu.Unlock()
	}
	if err := held.Release(ctx); err != nil {
		t.Fatal(err)
	}
	h := <-got
	if h == nil {
		return
	}
	if h.Token() <= held.Token() {
		t.Errorf("a hold with the token %d, while the one with %d was standing", h.Token(), held.Token())
	}
	if err := h.Release(ctx); err != nil {
		t.Error(err)
	}
}

// nowhere returns a provider whose server is not there.
func nowhere(t *testing.T, o *Options) *Provider {
	t.Helper()
	client := goredis.NewClient(&goredis.Options{Addr: "127.0.0.1:1"})
	t.Cleanup(func() { _ = client.Close() })
	p, err := New(client, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// A poll that finds a grant near its end makes the waiter ask for it, and one that
// finds it to last for longer than a lease believes in a lease.
func TestAGrantThatAPollHasFound(t *testing.T) {
	p := nowhere(t, nil)
	c := p.claimer("lock", "a", 'w', 1)
	w := p.lines.join(c, c.attempt(true), 0)
	defer p.lines.leave(w)
	sent := time.Now().Add(-time.Second)
	p.lines.found(w, 7, sent, 1000, 20*time.Millisecond)
	if len(w.astray) != 1 || len(w.grants) != 0 {
		t.Error("a grant with 20 ms left is used as it is")
	}
	<-w.astray
	p.lines.found(w, 7, sent, 1000, time.Hour) // Its server was set back.
	if len(w.astray) != 0 || len(w.grants) != 1 {
		t.Fatal("a grant was not passed on")
	}
	if g := <-w.grants; !g.from.Equal(sent) || g.term != p.opts.Lease {
		t.Errorf("it is believed from %v after the poll was sent, for %v", g.from.Sub(sent), g.term)
	}
}
