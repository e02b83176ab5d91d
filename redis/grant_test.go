package redis

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
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
	p.lines.found(w, 7, sent, 20*time.Millisecond)
	if len(w.astray) != 1 || len(w.grants) != 0 {
		t.Error("a grant with 20 ms left is used as it is")
	}
	<-w.astray
	p.lines.found(w, 7, sent, time.Hour) // Its server was set back.
	if len(w.astray) != 0 || len(w.grants) != 1 {
		t.Fatal("a grant was not passed on")
	}
	if g := <-w.grants; !g.from.Equal(sent) || g.term != p.opts.Lease {
		t.Errorf("it is believed from %v after the poll was sent, for %v", g.from.Sub(sent), g.term)
	}
}
