package postgres_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
	"github.com/distlock/distlock-go/postgres"
)

// The conformance suite does not see Inspect here, because List knows no names.
func TestInspectRefusesBadNames(t *testing.T) {
	p := open(t, nil)
	for _, name := range []string{"", "\xff", strings.Repeat("x", driver.MaxName+1)} {
		if all, err := p.Inspect(t.Context(), name); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("Inspect of a bad name: %v, %v", all, err)
		}
	}
}

func TestInspect(t *testing.T) {
	owner := core.Owner{Program: "billing: service", Host: "node-1", PID: 4242}
	p, q := open(t, &postgres.Options{Owner: owner}), open(t, nil)
	name := t.Name()
	acquire := func(l core.Lock) core.Handle {
		t.Helper()
		h, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	held := []core.Handle{acquire(p.NewLock(name)), acquire(core.Reader(p.NewRWLock(name))), acquire(p.NewSemaphore(name, 3)), acquire(p.NewSemaphore(name, 3))}
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 2)
	for _, l := range []core.Lock{q.NewLock(name), core.Writer(q.NewRWLock(name))} {
		go func() {
			_, err := l.Acquire(ctx)
			waited <- err
		}()
	}
	var all []core.Status
	eventually(t, "two wait", func() bool {
		var err error
		if all, err = q.Inspect(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		return len(all) == 3 && len(all[0].Waiters) == 1 && len(all[1].Waiters) == 1
	})
	for i, want := range []struct {
		kind    core.Kind
		holders int
	}{{core.KindLock, 1}, {core.KindRWLock, 1}, {core.KindSemaphore, 2}} {
		st := all[i]
		if st.Kind != want.kind || st.Name != name || len(st.Holders) != want.holders {
			t.Errorf("Inspect tells %+v, want %d holders of a %s", st, want.holders, want.kind)
		}
		for _, h := range st.Holders {
			if h.Owner.Program != "billing? service" || h.Owner.Host != "node-1" || h.Owner.PID != 4242 || h.Shared != (st.Kind == core.KindRWLock) {
				t.Errorf("the holder of the %s is told as %+v", st.Kind, h)
			}
		}
	}
	if w := all[0].Waiters[0]; w.Owner.PID != os.Getpid() || !w.Since.IsZero() && time.Since(w.Since) > time.Minute {
		t.Errorf("the waiter is told as %+v", w)
	}
	list, err := q.List(t.Context(), "key "+postgres.LockKey("", name).String())
	if err != nil || len(list) != 1 || len(list[0].Holders) != 1 || len(list[0].Waiters) != 1 {
		t.Errorf("List tells %+v, %v", list, err)
	}
	cancel()
	for range 2 {
		if err := <-waited; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	for _, h := range held {
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
	// A wait that was given up may be granted the lock for an instant.
	eventually(t, "nobody holds it or waits for it", func() bool {
		all, err := q.Inspect(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return len(all) == 0
	})
}

// openAs returns a provider of a new role with these attributes, or skips the test.
func openAs(t *testing.T, role, attributes string) *postgres.Provider {
	t.Helper()
	c := admin(t)
	_, _ = c.Exec(t.Context(), "drop role if exists "+role)
	if _, err := c.Exec(t.Context(), "create role "+role+" login "+attributes); err != nil {
		t.Skipf("this server's role may not make another: %v", err)
	}
	t.Cleanup(func() { _, _ = c.Exec(context.Background(), "drop role "+role) })
	config, err := postgresConfig(t)
	if err != nil {
		t.Fatal(err)
	}
	config.User = role
	p, err := postgres.New(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if _, err := p.Inspect(t.Context(), "x"); errors.Is(err, postgres.ErrAuth) {
		t.Skip("the server does not trust the role")
	}
	return p
}

func TestBreakNeedsTheRight(t *testing.T) {
	weak := openAs(t, "distlock_test_nobody", "")
	h, err := open(t, nil).NewLock(t.Name()).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n, err := weak.Break(t.Context(), core.KindLock, t.Name())
	if n != 0 || !errors.Is(err, core.ErrUnavailable) || !strings.Contains(err.Error(), "pg_signal_backend") {
		t.Errorf("Break without the right: %d, %v", n, err)
	}
	if h.Err() != nil {
		t.Errorf("the hold ended: %v", h.Err())
	}
	if err := h.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// A right that does not reach all sessions ends none. The server is not left to
// refuse, because by then it may have ended others.
func TestBreakIsAllOrNothing(t *testing.T) {
	const divisionByZero = "22012" // of the check
	for name, test := range map[string]struct {
		attributes string
		superuser  bool
	}{
		"signals, but no superusers":     {"in role pg_signal_backend", true},
		"signals, but does not inherit":  {"noinherit in role pg_signal_backend", false},
		"is a member, without the right": {"noinherit in role distlock_test_other", false},
	} {
		t.Run(name, func(t *testing.T) {
			other := openAs(t, "distlock_test_other", "")
			weak := openAs(t, "distlock_test_signaller", test.attributes)
			if test.superuser {
				other = open(t, nil)
			}
			var held []core.Handle
			for _, p := range []*postgres.Provider{weak, other} {
				h, err := core.Reader(p.NewRWLock(t.Name())).TryAcquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				held = append(held, h)
			}
			n, err := weak.Break(t.Context(), core.KindRWLock, t.Name())
			var refused *pgconn.PgError
			if n != 0 || !errors.Is(err, core.ErrUnavailable) || !errors.As(err, &refused) || refused.Code != divisionByZero {
				t.Errorf("Break: %d, %v; want it to end before it has ended anything", n, err)
			}
			for _, h := range held {
				if err := h.Release(t.Context()); err != nil {
					t.Errorf("a hold ended: %v", err)
				}
			}
		})
	}
}

// A right that reaches all sessions ends them.
func TestBreakWithTheRight(t *testing.T) {
	weak, other := openAs(t, "distlock_test_signaller", "in role pg_signal_backend"), openAs(t, "distlock_test_other", "")
	h, err := other.NewLock(t.Name()).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := weak.Break(t.Context(), core.KindLock, t.Name()); n != 1 || err != nil {
		t.Errorf("Break returned %d, %v", n, err)
	}
	<-h.Done()
}

func TestCheck(t *testing.T) {
	r, err := open(t, nil).Check(t.Context())
	if err != nil || r.Version < 130000 || r.Timeline == 0 || !r.Tokens || r.Capacity == 0 {
		t.Errorf("Check says %+v, %v", r, err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	config, err := postgresConfig(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []postgres.Options{
		{Namespace: "a\x00b"}, {Keys: 7}, {Keys: -1}, {MaxHolds: -1}, {HoldsPerSession: -1}, {MaxWaiters: -1},
		{WaitSlice: time.Microsecond}, {WaitSlice: 30 * 24 * time.Hour}, {PingInterval: -1}, {PingTimeout: time.Nanosecond}, {ServerTimeout: time.Second},
		{PingInterval: 8 * time.Second}, {ServerTimeout: 6 * time.Second}, {ConnectTimeout: -1}, {IdleTimeout: -1},
		{TokenSequence: "unqualified"}, {TokenSequence: `a."b"`},
	} {
		if p, err := postgres.New(config, &o); !errors.Is(err, core.ErrInvalid) {
			t.Errorf("New with %+v returned %v, %v", o, p, err)
		}
	}
	if p, err := postgres.New(nil, nil); !errors.Is(err, core.ErrInvalid) {
		t.Errorf("New(nil) returned %v, %v", p, err)
	}
}

// The .NET library's way to take a lock excludes ours, and the other way round.
func TestMedallionExcludes(t *testing.T) {
	p, c := open(t, &postgres.Options{Keys: postgres.Medallion}), admin(t)
	h, err := p.NewLock("test").Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if query[bool](t, c, "select pg_try_advisory_lock(-375939257, -1)") {
		t.Error("the key of a held lock is free")
	}
	if _, err := core.Writer(p.NewRWLock("test")).TryAcquire(t.Context()); !errors.Is(err, core.ErrNotAcquired) {
		t.Errorf("the reader-writer lock of the same key: %v", err)
	}
	if err := h.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !query[bool](t, c, "select pg_try_advisory_lock(-375939257, -1)") {
		t.Error("the key of a released lock is held")
	}
	if _, err := p.NewLock("test").TryAcquire(t.Context()); !errors.Is(err, core.ErrNotAcquired) {
		t.Errorf("a lock that the other library holds: %v", err)
	}
}
