package core_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/memory"
)

func TestAcquireAllTakesAndReleasesInOrder(t *testing.T) {
	p := open(t, nil)
	d := &diary{}
	say := func(as string, l core.Lock) core.Lock { return told{Lock: l, diary: d, as: as} }
	locks := []core.Lock{
		say("c", p.NewLock("c")),
		say("b/semaphore", p.NewSemaphore("b", 2)),
		say("a", p.NewLock("a")),
		say("b/rwlock", core.Reader(p.NewRWLock("b"))),
		say("b/lock", p.NewLock("b")),
	}
	given := slices.Clone(locks)
	h, err := core.AcquireAll(t.Context(), locks...)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(locks, given) {
		t.Error("AcquireAll has changed its argument")
	}
	if h.Token() != 0 || h.Name() != "a+b+b+b+c" {
		t.Errorf("the composite has the token %d and the name %q", h.Token(), h.Name())
	}
	members := h.(core.Composite).Handles()
	var names []string
	for _, m := range members {
		names = append(names, m.Name())
		if m.Token() == 0 {
			t.Errorf("the member %s has no token", m.Name())
		}
	}
	if strings.Join(names, "+") != h.Name() {
		t.Errorf("the members are %q", names)
	}
	if err := h.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.Release(t.Context()); err != nil {
		t.Errorf("the second Release returned %v", err)
	}
	want := "+a +b/lock +b/rwlock +b/semaphore +c -c -b/semaphore -b/rwlock -b/lock -a"
	if got := strings.Join(d.lines, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !errors.Is(h.Err(), core.ErrReleased) {
		t.Errorf("Err is %v", h.Err())
	}
}

func TestAcquireAllGivesBackInReverse(t *testing.T) {
	p := open(t, nil)
	if _, err := p.NewLock("c").Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, acquire := range map[string]func(context.Context, ...core.Lock) (core.Handle, error){
		"AcquireAll": core.AcquireAll, "TryAcquireAll": core.TryAcquireAll,
	} {
		d := &diary{}
		var locks []core.Lock
		for _, n := range []string{"d", "c", "b", "a"} {
			locks = append(locks, told{Lock: p.NewLock(n), diary: d, as: n})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		h, err := acquire(ctx, locks...)
		if h != nil || !errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("%s returned %v, %v", name, h, err)
		}
		if ctx.Err() != nil {
			slices.Sort(d.lines[max(0, len(d.lines)-2):]) // They are released at once.
			slices.Reverse(d.lines[max(0, len(d.lines)-2):])
		}
		if got := strings.Join(d.lines, " "); got != "+a +b no c -b -a" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A member that is lost while another one is waited for is no member of a hold.
func TestAcquireAllWithAMemberThatWasLost(t *testing.T) {
	p := open(t, nil)
	h, err := core.AcquireAll(t.Context(), p.NewLock("a"), during{p.NewLock("b"), func() { lose(t, p, "a") }})
	if h != nil || !errors.Is(err, core.ErrLost) {
		t.Errorf("AcquireAll returned %v, %v", h, err)
	}
	if !isFree(t, p.NewLock("b")) {
		t.Error("the other lock is still held")
	}
}

// The wait for the others ends with a member: there is nothing to wait for any more.
func TestAcquireAllEndsWithAMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, nil)
		if _, err := p.NewLock("z").Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { lose(t, p, "a") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		h, err := core.AcquireAll(ctx, p.NewLock("a"), p.NewLock("b"), p.NewLock("z"))
		if took := time.Since(start); h != nil || took != time.Second || !errors.Is(err, core.ErrLost) {
			t.Errorf("AcquireAll returned %v, %v after %v; want the loss, when it came", h, err, took)
		}
		if !isFree(t, p.NewLock("b")) {
			t.Error("the other lock is still held")
		}
	})
}

// What AcquireAll gives back after its context has ended takes one release timeout,
// not one for each member.
func TestAcquireAllGivesBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, nil)
		if _, err := p.NewLock("z").Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := core.AcquireAll(ctx, mute{p.NewLock("a")}, mute{p.NewLock("b")}, mute{p.NewLock("c")}, p.NewLock("z"))
		if took := time.Since(start); took != time.Second+muteFor || !errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("AcquireAll returned %v after %v; want one release timeout after its deadline", err, took)
		}
	})
}

// A during lock has something happen while it is acquired.
type during struct {
	core.Lock
	happens func()
}

func (l during) Acquire(ctx context.Context) (core.Handle, error) {
	l.happens()
	return l.Lock.Acquire(ctx)
}

func TestAcquireAllReleasesTheOthersOnAPanic(t *testing.T) {
	p := open(t, nil)
	func() {
		defer func() { _ = recover() }()
		_, _ = core.AcquireAll(t.Context(), p.NewLock("a"), panics{p.NewLock("b")})
	}()
	if !isFree(t, p.NewLock("a")) {
		t.Error("a lock is held for good because another one panicked")
	}
}

type panics struct{ core.Lock }

func (panics) Acquire(context.Context) (core.Handle, error) { panic("boom") }

func TestAcquireAllRefuses(t *testing.T) {
	p, q := open(t, nil), open(t, nil)
	same := told{Lock: p.NewLock("a"), diary: &diary{}}
	anonymous := struct{ core.Lock }{p.NewLock("a")}
	for name, locks := range map[string][]core.Lock{
		"none":                        {},
		"nil":                         {p.NewLock("a"), nil},
		"twice":                       {p.NewLock("a"), p.NewLock("b"), p.NewLock("a")},
		"decorated":                   {p.NewLock("a"), same},
		"reader and writer":           {core.Reader(p.NewRWLock("a")), core.Writer(p.NewRWLock("a"))},
		"semaphores of unlike limits": {p.NewSemaphore("a", 2), p.NewSemaphore("a", 3)},
		"unknown ones of one name":    {anonymous, anonymous},
	} {
		if _, err := core.AcquireAll(t.Context(), locks...); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("%s: AcquireAll returned %v", name, err)
		}
	}
	h, err := core.AcquireAll(t.Context(), p.NewLock("a"), q.NewLock("a"), p.NewSemaphore("a", 1), core.Reader(p.NewRWLock("a")))
	if err != nil {
		t.Fatalf("locks of one name and different kinds or providers: %v", err)
	}
	_ = h.Release(t.Context())
}

func TestLossOfOneOfSeveral(t *testing.T) {
	p := open(t, nil)
	h, err := core.AcquireAll(t.Context(), p.NewLock("a"), p.NewLock("b"))
	if err != nil {
		t.Fatal(err)
	}
	lose(t, p, "b")
	<-h.Done()
	if !errors.Is(h.Err(), core.ErrLost) || !strings.Contains(h.Err().Error(), `"b"`) {
		t.Errorf("Err is %v; it must name the lock that was lost", h.Err())
	}
	if isFree(t, p.NewLock("a")) {
		t.Error("the other lock was released before the composite")
	}
	if err := h.Release(t.Context()); !errors.Is(err, core.ErrLost) {
		t.Errorf("Release returned %v", err)
	}
	if !isFree(t, p.NewLock("a")) {
		t.Error("the other lock is held after the release of the composite")
	}
}

// The clock of a member may know of a loss before any timer has run.
func TestErrOfSeveralAsksTheMembers(t *testing.T) {
	p := open(t, nil)
	stale := &clocked{}
	h, err := core.AcquireAll(t.Context(), p.NewLock("a"), decorated{p.NewLock("b"), stale})
	if err != nil {
		t.Fatal(err)
	}
	if h.Err() != nil {
		t.Fatalf("Err is %v", h.Err())
	}
	stale.late = true
	if !errors.Is(h.Err(), core.ErrLost) {
		t.Errorf("Err is %v although a member is past its deadline", h.Err())
	}
	select {
	case <-h.Done():
	default:
		t.Error("Err tells of the loss and Done is open")
	}
	_ = h.Release(t.Context())
}

type decorated struct {
	core.Lock
	h *clocked
}

func (d decorated) Acquire(ctx context.Context) (h core.Handle, err error) {
	d.h.Handle, err = d.Lock.Acquire(ctx)
	return d.h, err
}

type clocked struct {
	core.Handle
	late bool
}

func (c *clocked) Err() error {
	if c.late {
		return core.ErrLost
	}
	return c.Handle.Err()
}

func TestReleaseOfSeveralGoesOnAfterAFailure(t *testing.T) {
	p := open(t, nil)
	wrong := errors.New("connection reset")
	h, err := core.AcquireAll(t.Context(), p.NewLock("a"), told{Lock: p.NewLock("b"), diary: &diary{}, release: wrong}, p.NewLock("c"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.Release(t.Context()); !errors.Is(err, wrong) {
			t.Errorf("Release returned %v", err)
		}
	}
	for _, name := range []string{"a", "c"} {
		if !isFree(t, p.NewLock(name)) {
			t.Errorf("%s is held: its release was left out", name)
		}
	}
}

// Whoever releases several waits for as long as its own context says, although each
// member that comes after the end of the first one's takes its full timeout.
func TestReleaseOfSeveralReturnsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, nil)
		h, err := core.AcquireAll(t.Context(), mute{p.NewLock("a")}, mute{p.NewLock("b")}, mute{p.NewLock("c")})
		if err != nil {
			t.Fatal(err)
		}
		lose(t, p, "a")
		<-h.Done()
		start := time.Now()
		var callers sync.WaitGroup
		release := func(ctx context.Context, after time.Duration, want error) {
			callers.Go(func() {
				err := h.Release(ctx)
				if took := time.Since(start); took != after || !errors.Is(err, want) || !errors.Is(err, core.ErrLost) {
					t.Errorf("Release returned %v after %v; want %v, and ErrLost, after %v", err, took, want, after)
				}
			})
			synctest.Wait()
		}
		first, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		second, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		release(first, time.Second, context.DeadlineExceeded)
		release(second, 10*time.Millisecond, context.DeadlineExceeded)
		release(over, time.Second+2*muteFor, context.DeadlineExceeded)
		release(context.Background(), time.Second+2*muteFor, context.DeadlineExceeded)
		callers.Wait()
		for _, name := range []string{"a", "b", "c"} {
			if !isFree(t, p.NewLock(name)) {
				t.Errorf("%s is held after the release", name)
			}
		}
	})
}

// A mute lock is one whose backend does not answer a release, which then takes what
// a provider's does.
type mute struct{ core.Lock }

const muteFor = 5 * time.Second

func (l mute) Acquire(ctx context.Context) (core.Handle, error) {
	h, err := l.Lock.Acquire(ctx)
	return muteHandle{h}, err
}

type muteHandle struct{ core.Handle }

func (h muteHandle) Release(ctx context.Context) error {
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, muteFor)
	defer cancel()
	<-ctx.Done()
	return errors.Join(ctx.Err(), h.Handle.Release(ctx))
}

// ctx bounds the whole wait: what the first lock took is not there for the next.
func TestAcquireAllHasOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, nil)
		a, err := p.NewLock("a").Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.NewLock("b").Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(3*time.Second, func() { _ = a.Release(context.Background()) })
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = core.AcquireAll(ctx, p.NewLock("a"), p.NewLock("b"))
		if took := time.Since(start); took != 5*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("AcquireAll returned %v after %v", err, took)
		}
		if !isFree(t, p.NewLock("a")) {
			t.Error("the first lock is held after AcquireAll has failed")
		}
	})
}

func TestReaderAndWriterAreSidesOfOneLock(t *testing.T) {
	p := open(t, nil)
	rw := p.NewRWLock("a")
	r, w := core.Reader(rw), core.Writer(rw)
	if r.Name() != "a" || w.Name() != "a" {
		t.Errorf("the sides are named %q and %q", r.Name(), w.Name())
	}
	if r.(core.Identified).Identity() != w.(core.Identified).Identity() {
		t.Error("the sides of one lock have different identities")
	}
	for _, acquire := range []func(context.Context) (core.Handle, error){r.Acquire, r.TryAcquire} {
		h, err := acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !isFree(t, r) || isFree(t, w) {
			t.Error("a reader must share with readers and exclude writers")
		}
		_ = h.Release(t.Context())
	}
	for _, acquire := range []func(context.Context) (core.Handle, error){w.Acquire, w.TryAcquire} {
		h, err := acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if isFree(t, r) || isFree(t, w) {
			t.Error("a writer must exclude everybody")
		}
		_ = h.Release(t.Context())
	}
}

// A provider's locks are the same whoever asks, those of another provider are not.
func TestIdentity(t *testing.T) {
	server := memory.NewServer()
	p, q := open(t, &memory.Options{Server: server}), open(t, &memory.Options{Server: server})
	id := func(l core.Lock) core.Identity { return l.(core.Identified).Identity() }
	same := id(p.NewLock("a"))
	for name, other := range map[string]core.Identity{
		"name": id(p.NewLock("b")), "kind": id(p.NewSemaphore("a", 1)), "provider": id(q.NewLock("a")),
	} {
		if other == same {
			t.Errorf("locks of another %s have the same identity", name)
		}
	}
	if id(p.NewLock("a")) != same || same.Backend != "memory" || same.Kind != core.KindLock || same.Name != "a" {
		t.Errorf("the identity is %+v", same)
	}
}
