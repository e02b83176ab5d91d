//go:build unix

package redistest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// Whatever right is missing, whatever is done works without it or says which one, and
// never that the lock is held; nothing is left held for longer than its lease. And
// each right is one that something asks for.
func TestMissingRights(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{Settings: map[string]string{"acllog-max-len": "1000"}})
	c := admin(t, server)
	all := redis.ACL("", false)
	for _, right := range all {
		if !strings.HasPrefix(right, "+") {
			continue
		}
		t.Run(right[1:], func(t *testing.T) {
			t.Parallel()
			server, c := server, c
			if right == "+eval" || right == "+script|load" { // Nobody else shall have loaded the scripts.
				server = start(t, testenv.RedisConfig{})
				c = admin(t, server)
			}
			user := "no-" + strings.ReplaceAll(right[1:], "|", "-")
			setUser(t, c, append([]string{user, "on", ">pw"}, slices.DeleteFunc(slices.Clone(all), func(r string) bool { return r == right })...))
			l := &lacking{t: t, admin: c, server: server, right: right[1:], url: withUser(t, server.URL(), user, "pw")}
			l.tryAll()
			asked := refusals(t, c, user)
			whole, _, _ := strings.Cut(l.right, "|")
			// The server lets everybody say hello, and the driver, which pings a
			// subscription that has been silent for long, ends it with its connection.
			spare := slices.Contains([]string{"hello", "ping", "unsubscribe"}, l.right)
			if !spare && !slices.Contains(asked, l.right) && !slices.Contains(asked, whole) {
				t.Errorf("nothing needs the right %s; refused were %q", l.right, asked)
			}
		})
	}
}

// A lacking is a program whose user lacks one right, beside others that have all.
type lacking struct {
	t      *testing.T
	admin  *goredis.Client
	server *testenv.Redis
	right  string
	url    string
	rich   *redis.Provider
}

func (l *lacking) options() *redis.Options {
	return &redis.Options{
		Lease: 2 * time.Second, Claim: time.Second, WaitLease: time.Second, Timeout: 10 * time.Second, ReleaseTimeout: 1500 * time.Millisecond,
	}
}

// tryAll does whatever can be done.
func (l *lacking) tryAll() {
	l.rich = open(l.t, l.server.URL(), l.options())
	o := l.options()
	if l.right == "wait" {
		o.ReplicaAcks = 1
	}
	var events log
	o.Observer = &events
	poor, err := redis.Open(patient(l.t), l.url, o)
	if err != nil {
		refusedFor(l.t, "Open", err)
		return
	}
	if l.right == "mget" { // Only calls that travel together use it.
		eventually(l.t, "locks are asked for together", 20*time.Second, func() bool {
			l.together(poor)
			return slices.Contains(refusals(l.t, l.admin, "no-mget"), "mget")
		})
	}
	var all sync.WaitGroup
	for i, object := range []func(core.Provider, string) core.Lock{
		func(p core.Provider, name string) core.Lock { return p.NewLock(name) },
		func(p core.Provider, name string) core.Lock { return core.Writer(p.NewRWLock(name)) },
		func(p core.Provider, name string) core.Lock { return core.Reader(p.NewRWLock(name)) },
		func(p core.Provider, name string) core.Lock { return p.NewSemaphore(name, 1) },
	} {
		all.Go(func() { l.hold(poor, object, fmt.Sprint("held ", l.right, i), i == 2, &events) })
		all.Go(func() { l.wait(poor, object, fmt.Sprint("waited ", l.right, i), i == 2) })
	}
	for i, kind := range []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore} {
		all.Go(func() { l.end(poor, kind, fmt.Sprint("broken ", l.right, i)) })
	}
	all.Wait()
	if err := poor.Close(); err != nil {
		refusedFor(l.t, "Close", err)
	}
	// The leases of what could not be given back have begun before this.
	eventually(l.t, "nothing is left but the registers of tokens", 20*time.Second, func() bool {
		return len(l.left()) == 0
	})
}

func (l *lacking) left() []string {
	var left []string
	for _, key := range l.admin.Keys(context.Background(), "distlock:{*").Val() {
		name, suffix, _ := strings.Cut(key, "}")
		if !strings.HasSuffix(suffix, ":f") && strings.Contains(name+" ", " "+l.right) {
			left = append(left, key)
		}
	}
	return left
}

// allowed checks what came of an operation, and reports whether it succeeded.
func (l *lacking) allowed(op string, err error) bool {
	if err != nil {
		refusedFor(l.t, op, err)
	}
	return err == nil
}

// together takes many locks at a time.
func (l *lacking) together(poor core.Provider) {
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			h, err := poor.NewLock(fmt.Sprint("together ", i)).Acquire(patient(l.t))
			if l.allowed("Acquire", err) {
				l.allowed("Release", h.Release(patient(l.t)))
			}
		})
	}
	all.Wait()
}

// opposite is what a hold excludes.
func opposite(p core.Provider, object func(core.Provider, string) core.Lock, name string, shared bool) core.Lock {
	if shared {
		return core.Writer(p.NewRWLock(name))
	}
	return object(p, name)
}

// hold holds until a renewal was answered, and hands over to a waiter.
func (l *lacking) hold(poor core.Provider, object func(core.Provider, string) core.Lock, name string, shared bool, events *log) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	h, err := object(poor, name).Acquire(ctx)
	if l.allowed("Acquire", err) {
		w := waiting(ctx, opposite(l.rich, object, name, shared))
		eventually(l.t, "a renewal was answered", 10*time.Second, func() bool {
			return h.Err() != nil || events.saw(core.EventRenewed, core.EventRenewFailed)
		})
		switch err := h.Release(ctx); {
		case errors.Is(err, core.ErrLost):
			if !events.saw(core.EventRenewFailed) {
				l.t.Errorf("%s: lost without a renewal that failed: %v", name, err)
			}
		default:
			l.allowed("Release", err)
		}
		next := <-w
		if next.err != nil {
			l.t.Errorf("%s: who waited behind it: %v", name, next.err)
		} else if err := next.h.Release(ctx); err != nil {
			l.t.Errorf("%s: release by who waited behind it: %v", name, err)
		}
	}
}

// wait waits behind a hold, and once more, and gives up.
func (l *lacking) wait(poor core.Provider, object func(core.Provider, string) core.Lock, name string, shared bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	h, err := opposite(l.rich, object, name, shared).Acquire(ctx)
	if err != nil {
		l.t.Errorf("%s: %v", name, err)
		return
	}
	brief, stop := context.WithTimeout(ctx, 700*time.Millisecond) // More than a third of the wait lease: there is a poll.
	gaveUp, first := waiting(brief, object(poor, name)), waiting(ctx, object(poor, name))
	if o := <-gaveUp; o.err == nil {
		l.t.Errorf("%s: two hold", name)
	} else if !errors.Is(o.err, context.DeadlineExceeded) {
		l.allowed("Acquire", o.err)
	}
	stop()
	_, err = object(poor, name).TryAcquire(ctx)
	if err == nil {
		l.t.Errorf("%s: two hold", name)
	} else if !errors.Is(err, core.ErrNotAcquired) {
		l.allowed("TryAcquire", err)
	}
	if err := h.Release(ctx); err != nil {
		l.t.Errorf("%s: Release: %v", name, err)
	}
	bound := time.AfterFunc(5*time.Second, cancel) // More than any poll waits.
	defer bound.Stop()
	if o := <-first; l.allowed("Acquire", o.err) {
		l.allowed("Release", o.h.Release(ctx))
	}
}

// end breaks a hold, and looks at it before.
func (l *lacking) end(poor *redis.Provider, kind core.Kind, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	h, err := objectsOf(l.rich, name)[kind].Acquire(ctx)
	if err != nil {
		l.t.Errorf("%s: %v", name, err)
		return
	}
	_, err = poor.Inspect(ctx, name)
	l.allowed("Inspect", err)
	if n, err := poor.Break(ctx, kind, name); l.allowed("Break", err) && n != 1 {
		l.t.Errorf("%s: Break returned %d", name, n)
	}
	_ = h.Release(ctx)
}

// objectsOf returns one object of each kind.
func objectsOf(p core.Provider, name string) map[core.Kind]core.Lock {
	return map[core.Kind]core.Lock{
		core.KindLock: p.NewLock(name), core.KindRWLock: core.Writer(p.NewRWLock(name)), core.KindSemaphore: p.NewSemaphore(name, 1),
	}
}

func refusedFor(t *testing.T, op string, err error) {
	t.Helper()
	var trouble *redis.TroubleError
	if !errors.As(err, &trouble) || trouble.Trouble != redis.NoPermission || !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("%s: %v; it must tell of the missing right", op, err)
	}
	if !strings.Contains(strings.ToLower(err.Error()), "permission") {
		t.Errorf("%s: %v does not say what is missing", op, err)
	}
}
