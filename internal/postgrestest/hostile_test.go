//go:build unix

package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/postgres"
)

// A server that talks nonsense is one that cannot be used: no provider comes of
// it, no panic, and no wait beyond the context.
func TestNonsenseIsNoServer(t *testing.T) {
	ok := []byte{'R', 0, 0, 0, 8, 0, 0, 0, 0, 'Z', 0, 0, 0, 5, 'I'} // signed in; ready
	for name, say := range map[string]func(net.Conn){
		"noise": func(c net.Conn) {
			b := make([]byte, 256)
			for i := range b {
				b[i] = byte(rand.Uint32())
			}
			_, _ = c.Write(b)
		},
		"a message that never ends": func(c net.Conn) { _, _ = c.Write([]byte{'R', 0x3f, 0xff, 0xff, 0xff, 0}) },
		"drop by drop": func(c net.Conn) {
			for range 100 {
				if _, err := c.Write([]byte{0}); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		},
		"ready to everything": func(c net.Conn) { _, _ = c.Write(ok) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			p, err := postgres.Open(ctx, "postgres://u@"+faultproxy.Impostor(t, say)+"/db?sslmode=disable", nil)
			if err == nil {
				_ = p.Close()
				t.Fatal("it is taken for a server")
			}
			if !errors.Is(err, core.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error is %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v, and the context had 1s", took)
			}
		})
	}
}

// A connection may break within an answer. Nothing is held then, by anybody.
func TestAnswerBreaksWithin(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	proxy := faultproxy.New(t, pg.Addr())
	p := open(t, through(t, pg.URL(), proxy), nil)
	c := connect(t, pg.URL())
	h := acquire(t, p.NewLock("a"))
	last := h.Token()
	release(t, h)
	for n, whole := 0, 0; whole < 2; n += 4 {
		if n > 500 {
			t.Fatal("500 bytes are no whole answer")
		}
		proxy.CutAfter(faultproxy.Down, n)
		h, err := p.NewLock("a").TryAcquire(context.Background())
		proxy.CutAfter(faultproxy.Down, -1)
		switch {
		case err != nil && !errors.Is(err, core.ErrUnavailable):
			t.Errorf("with %d bytes of the answer: %v", n, err)
		case err == nil && h.Err() == nil:
			whole++
			if h.Token() <= last {
				t.Errorf("with %d bytes of the answer the token is %d; that of the last holder was %d", n, h.Token(), last)
			}
			release(t, h)
		}
		eventually(t, fmt.Sprint("no lock is left after ", n, " bytes"), func() bool { return locks(t, c) == 0 })
		h = acquire(t, p.NewLock("a"))
		last = h.Token()
		release(t, h)
	}
}

// Somebody else may come upon the session that holds, where a pooler lends it to
// several, and unlock what is not his. The release tells that the lock was not held any
// more; and as nobody knows what else is not, all holds of the session are lost.
func TestUnlockedBySomebodyElse(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	for what, kind := range map[string]func(p *postgres.Provider, name string) core.Lock{
		"lock":      func(p *postgres.Provider, name string) core.Lock { return p.NewLock(name) },
		"reader":    func(p *postgres.Provider, name string) core.Lock { return core.Reader(p.NewRWLock(name)) },
		"writer":    func(p *postgres.Provider, name string) core.Lock { return core.Writer(p.NewRWLock(name)) },
		"semaphore": func(p *postgres.Provider, name string) core.Lock { return p.NewSemaphore(name, 2) },
	} {
		t.Run(what, func(t *testing.T) {
			b := testenv.NewPgBouncer(t, testenv.PgBouncerConfig{Upstream: pg, Mode: "transaction", Settings: map[string]string{"default_pool_size": "1"}})
			p := open(t, b.URL(), &postgres.Options{AllowPooler: true})
			h, other := acquire(t, kind(p, "a")), acquire(t, p.NewLock("b"))
			exec(t, connect(t, b.URL()+"&default_query_exec_mode=simple_protocol"), "select pg_advisory_unlock_all()")
			free, err := open(t, pg.URL(), nil).NewLock("b").TryAcquire(context.Background())
			if err != nil {
				t.Fatalf("the session of the provider was not met: %v", err)
			}
			release(t, free)
			if err := h.Release(context.Background()); !errors.Is(err, core.ErrLost) {
				t.Errorf("the release of what was unlocked is told %v", err)
			}
			lostWithin(t, other, time.Second, time.Now())
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			eventually(t, "no lock is left", func() bool { return locks(t, c) == 0 })
		})
	}
}

// Advisory locks are those of a database: the same name in two of one server is two
// locks, and Inspect of the one does not tell of the other.
func TestDatabasesAreApart(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	exec(t, connect(t, pg.URL()), "create database second")
	p, q := open(t, pg.URL(), nil), open(t, as(t, pg.URL(), "", "", "second"), nil)
	a, b := acquire(t, p.NewLock("a")), acquire(t, q.NewLock("a"))
	for _, one := range []*postgres.Provider{p, q} {
		if _, err := one.NewLock("a").TryAcquire(context.Background()); !errors.Is(err, core.ErrNotAcquired) {
			t.Errorf("a second hold in one database: %v", err)
		}
		all, err := one.Inspect(context.Background(), "a")
		if err != nil || len(all) != 1 || len(all[0].Holders) != 1 {
			t.Errorf("Inspect tells of %+v, %v", all, err)
		}
	}
	release(t, a)
	if _, err := q.NewLock("a").TryAcquire(context.Background()); !errors.Is(err, core.ErrNotAcquired) {
		t.Errorf("the release in one database freed the lock of the other: %v", err)
	}
	release(t, b)
}
