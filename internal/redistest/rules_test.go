//go:build unix

package redistest

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// Programs that use a semaphore with different limits are told so, once for each
// limit that they meet, and never hold more permits than the greatest allows.
func TestLimitMismatchIsTold(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	var here, there log
	mine, theirs := lenient(), lenient()
	mine.Observer, theirs.Observer = &here, &there
	p, q := open(t, server.URL(), mine), open(t, server.URL(), theirs)
	two, three := p.NewSemaphore("limit", 2), q.NewSemaphore("limit", 3)
	held := []core.Handle{acquire(t, two), acquire(t, two)}
	if here.saw(core.EventLimitMismatch) {
		t.Error("one who is alone was told of a mismatch")
	}
	held = append(held, acquire(t, three))
	for _, s := range []core.Semaphore{two, three} {
		for range 2 {
			if _, err := s.TryAcquire(patient(t)); !errors.Is(err, core.ErrNotAcquired) {
				t.Errorf("with three held, a limit of %d: %v", s.Limit(), err)
			}
		}
	}
	for name, l := range map[string]*log{"the one with 2": &here, "the one with 3": &there} {
		told := l.of(core.EventLimitMismatch)
		if len(told) != 1 {
			t.Errorf("%s was told %d times of the mismatch, not once", name, len(told))
			continue
		}
		if e := told[0]; e.Name != "limit" || e.Kind != core.KindSemaphore || e.Err == nil || !strings.Contains(e.Err.Error(), "2") || !strings.Contains(e.Err.Error(), "3") {
			t.Errorf("%s was told %+v", name, e)
		}
	}
	for _, h := range held {
		release(t, h)
	}
}

// A process that hangs with a lock keeps it for MaxHold, however well it renews.
func TestMaxHoldEnds(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	o := lenient()
	o.MaxHold = 3 * time.Second // More than the lease.
	p, q := open(t, server.URL(), o), open(t, server.URL(), lenient())
	began := time.Now()
	var held []core.Handle
	var waits []<-chan outcome
	for _, objects := range [][2]core.Lock{
		{p.NewLock("long"), q.NewLock("long")},
		{core.Reader(p.NewRWLock("long")), core.Writer(q.NewRWLock("long"))},
		{p.NewSemaphore("long", 1), q.NewSemaphore("long", 1)},
	} {
		held = append(held, acquire(t, objects[0]))
		waits = append(waits, waiting(patient(t), objects[1]))
	}
	for i, h := range held {
		<-h.Done()
		if d := time.Since(began); d < o.MaxHold*9/10 {
			t.Errorf("hold %d ended after %v; it may last %v", i, d, o.MaxHold)
		}
		if !errors.Is(h.Err(), core.ErrLost) {
			t.Errorf("Err of hold %d is %v", i, h.Err())
		}
		release(t, granted(t, waits[i]))
		if err := h.Release(patient(t)); !errors.Is(err, core.ErrLost) {
			t.Errorf("Release of hold %d returned %v", i, err)
		}
	}
}

// While a hold is renewed nobody else gets in, long after its lease would have
// ended; with its release the waiter does. (Scenario E43.)
func TestRenewedHoldKeepsOthersOut(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	var events log
	o := lenient()
	o.Observer = &events
	p, q := open(t, server.URL(), o), open(t, server.URL(), lenient())
	var held []core.Handle
	var waits []<-chan outcome
	for _, objects := range [][2]core.Lock{
		{p.NewLock("kept"), q.NewLock("kept")},
		{core.Reader(p.NewRWLock("kept")), core.Writer(q.NewRWLock("kept"))},
		{p.NewSemaphore("kept", 1), q.NewSemaphore("kept", 1)},
	} {
		held = append(held, acquire(t, objects[0]))
		waits = append(waits, waiting(patient(t), objects[1]))
	}
	time.Sleep(o.Lease * 5 / 2) // That nothing happens is what is tested.
	for i, h := range held {
		select {
		case got := <-waits[i]:
			if h.Err() == nil {
				t.Fatalf("object %d: two hold (%v)", i, got.err)
			}
			t.Fatalf("object %d: the hold was lost: %v", i, h.Err())
		default:
		}
		release(t, h)
		release(t, granted(t, waits[i]))
	}
	if !events.saw(core.EventRenewed) {
		t.Error("the observer heard of no renewal")
	}
}

// A script is loaded by whoever misses it first, and then never again, whoever
// uses it. (Scenario E53.)
func TestScriptsAreCachedOnce(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	use := func() {
		p, q := open(t, server.URL(), lenient()), open(t, server.URL(), lenient())
		var held []core.Handle
		var waits []<-chan outcome
		for _, objects := range [][2]core.Lock{
			{p.NewLock("s"), q.NewLock("s")}, {core.Writer(p.NewRWLock("s")), core.Reader(q.NewRWLock("s"))}, {p.NewSemaphore("s", 1), q.NewSemaphore("s", 1)},
		} {
			held = append(held, acquire(t, objects[0]))
			waits = append(waits, waiting(patient(t), objects[1]))
			ctx, cancel := context.WithCancel(context.Background())
			gaveUp := waiting(ctx, objects[1])
			eventually(t, "two wait for each", 10*time.Second, func() bool {
				st, err := p.Inspect(patient(t), "s")
				return err == nil && len(st) == len(held) && len(st[len(held)-1].Waiters) == 2
			})
			cancel()
			<-gaveUp
		}
		time.Sleep(1500 * time.Millisecond) // Renewals, and polls.
		for i, h := range held {
			release(t, h)
			release(t, granted(t, waits[i]))
		}
		for _, kind := range []core.Kind{core.KindLock, core.KindSemaphore} {
			if _, err := p.Break(patient(t), kind, "s"); err != nil {
				t.Fatal(err)
			}
		}
	}
	cached := func() (scripts, loads int) {
		memory := c.Info(context.Background(), "memory").Val()
		stats := c.Info(context.Background(), "commandstats").Val()
		return stat(memory, "number_of_cached_scripts:"), stat(stats, "cmdstat_script|load:calls=") + stat(stats, "cmdstat_script:calls=")
	}
	use()
	scripts, loads := cached()
	if scripts == 0 || loads < scripts {
		t.Fatalf("%d scripts are cached, which took %d loads", scripts, loads)
	}
	for range 3 { // A poll, or a renewal, may not have been due in the first round.
		use()
		s, l := cached()
		if s == scripts && l == loads {
			return
		}
		scripts, loads = s, l
	}
	t.Errorf("every provider loads scripts: %d loads of %d", loads, scripts)
}

// What was learnt of a hand-over is told: to whom, with which token, after which
// time.
func TestHandOverIsTold(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	c := admin(t, server)
	var events log
	o := lenient()
	o.Observer, o.Lease, o.Claim, o.WaitLease = &events, time.Minute, 30*time.Second, time.Minute
	p, q := open(t, server.URL(), o), open(t, through(t, server.URL(), proxy), o)
	listening(t, c, q)
	h := acquire(t, p.NewLock("told"))
	w := waiting(patient(t), q.NewLock("told"))
	queued(t, c, "told", 1)
	const late = 300 * time.Millisecond
	proxy.SetDelay(faultproxy.Down, late)
	start := time.Now()
	release(t, h)
	next := granted(t, w)
	took := time.Since(start)
	proxy.Heal()
	var told []core.Event
	for _, e := range events.of(core.EventHandedOver) {
		if e.Name == "told" {
			told = append(told, e)
		}
	}
	if len(told) != 1 || told[0].Token != next.Token() {
		t.Fatalf("the hand-over with token %d was told as %+v", next.Token(), told)
	}
	// The server tells the time of the grant in whole milliseconds, and how its clock
	// stands to ours is known from the times of its replies.
	if d := told[0].Duration; d < late*2/3 || d > took+100*time.Millisecond {
		t.Errorf("the hand-over is told to have taken %v; the message was %v under way, and all of it took %v", d, late, took)
	}
	release(t, next)
}

// Check says what a deployment is unfit for.
func TestCheckFindsFault(t *testing.T) {
	t.Parallel()
	master, replica := start(t, testenv.RedisConfig{}), start(t, testenv.RedisConfig{})
	p := open(t, replica.URL(), lenient())
	follow(t, admin(t, replica), master)
	_, err := p.Check(patient(t))
	is(t, err, redis.ReadOnly)

	c := admin(t, master)
	setUser(t, c, append(append([]string{"mute", "on", ">pw"}, withoutChannels(redis.ACL("", false))...), "+info"))
	r, err := open(t, withUser(t, master.URL(), "mute", "pw"), lenient()).Check(patient(t))
	if err != nil || r.Push || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "poll") {
		t.Errorf("Check without channels: %+v, %v", r, err)
	}
}

// The rights that ACL lists for a cluster are enough there.
func TestACLIsEnoughInACluster(t *testing.T) {
	t.Parallel()
	cluster := testenv.NewRedisCluster(t, testenv.RedisClusterConfig{})
	for _, n := range cluster.Nodes {
		setUser(t, admin(t, n), append([]string{"locker", "on", ">pw"}, redis.ACL("", true)...))
	}
	u := url.URL{Scheme: "redis", User: url.UserPassword("locker", "pw"), Host: strings.Join(cluster.Addrs(), ","), Path: "/", RawQuery: "mode=cluster"}
	var events log
	o := lenient()
	o.Observer = &events
	p, q := open(t, u.String(), o), open(t, u.String(), lenient())
	for _, name := range []string{"a", "b", "c", "d"} { // In slots of several masters.
		for _, objects := range [][2]core.Lock{
			{p.NewLock(name), q.NewLock(name)},
			{core.Writer(p.NewRWLock(name)), core.Reader(q.NewRWLock(name))},
			{p.NewSemaphore(name, 1), q.NewSemaphore(name, 1)},
		} {
			h := acquire(t, objects[0])
			w := waiting(patient(t), objects[1])
			eventually(t, "it waits", 10*time.Second, func() bool {
				st, err := p.Inspect(patient(t), name)
				return err == nil && len(st) == 1 && len(st[0].Waiters) == 1
			})
			release(t, h)
			release(t, granted(t, w))
		}
	}
	h := acquire(t, p.NewLock("renewed"))
	eventually(t, "the lease is renewed", 10*time.Second, func() bool { return events.saw(core.EventRenewed) })
	release(t, h)
	if r, err := p.Check(patient(t)); err != nil || !r.Push {
		t.Errorf("Check: %+v, %v", r, err)
	}
	notRefused(t, &events)
	for _, n := range cluster.Nodes {
		nothingRefused(t, admin(t, n), "locker", "info")
	}
}
