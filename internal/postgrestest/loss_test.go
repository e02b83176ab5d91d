//go:build unix

package postgrestest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/postgres"
)

// A session that is ended by an administrator is noticed within 100 ms, by all
// that it holds, and the reason is told (F59, F72). The provider goes on. A busy
// machine may delay the goroutine that looks, so one of several trials must be so
// fast, and all within a second.
func TestTerminatedSession(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	p, c := open(t, pg.URL(), nil), connect(t, pg.URL())
	best := time.Hour
	for trial := 0; trial < 10 && best > 100*time.Millisecond; trial++ {
		a, b := acquire(t, p.NewLock("a")), acquire(t, core.Reader(p.NewRWLock("b")))
		start := time.Now()
		exec(t, c, "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'distlock %'")
		took := lostWithin(t, a, time.Second, start)
		best = min(best, max(took, lostWithin(t, b, time.Second, start)))
		if !strings.Contains(a.Err().Error(), "57P01") {
			t.Errorf("the reason is told as %v", a.Err())
		}
		if err := a.Release(context.Background()); !errors.Is(err, core.ErrLost) {
			t.Errorf("Release of a lost hold: %v", err)
		}
		release(t, acquire(t, p.NewLock("a")))
		release(t, acquire(t, core.Writer(p.NewRWLock("b"))))
	}
	if best > 100*time.Millisecond {
		t.Errorf("the fastest loss was told after %v", best)
	}
}

// A server that dies takes its locks along: the holder learns within 100 ms of
// the end of its process, waiters come back when the server does, and one gets in.
func TestServerDies(t *testing.T) {
	for name, die := range map[string]func(*testenv.Postgres) error{
		"kill":      func(pg *testenv.Postgres) error { return pg.Kill() },
		"fast":      func(pg *testenv.Postgres) error { return pg.Stop(context.Background(), testenv.Fast) },
		"immediate": func(pg *testenv.Postgres) error { return pg.Stop(context.Background(), testenv.Immediate) },
	} {
		t.Run(name, func(t *testing.T) {
			pg := server(t, testenv.PostgresConfig{Durable: true})
			p, q := open(t, pg.URL(), nil), open(t, pg.URL(), nil)
			h := acquire(t, p.NewLock("a"))
			last := h.Token()
			told := make(chan time.Time, 1)
			go func() {
				<-h.Done()
				told <- time.Now()
			}()
			tokens := make(chan uint64, 2)
			for _, x := range []*postgres.Provider{p, q} {
				go func() { tokens <- outlive(t, x.NewLock("a")) }()
			}
			c := connect(t, pg.URL())
			eventually(t, "the other provider waits at the server", func() bool { return waitingFor(t, c) == 1 })
			start := time.Now()
			if err := die(pg); err != nil {
				t.Fatal(err)
			}
			end := time.Now()
			took := (<-told).Sub(start)
			t.Logf("%s: told after %v: %v; the server was gone after %v", name, took, h.Err(), end.Sub(start))
			if took > end.Sub(start)+time.Second { // TestTerminatedSession asks for 100 ms; this machine may be busy.
				t.Errorf("the loss was told %v after the server's end", took-end.Sub(start))
			}
			if _, err := p.NewLock("b").TryAcquire(context.Background()); !errors.Is(err, core.ErrUnavailable) || errors.Is(err, core.ErrNotAcquired) {
				t.Errorf("TryAcquire without a server: %v", err)
			}
			if err := pg.Start(context.Background()); err != nil {
				t.Fatal(err)
			}
			if a, b := <-tokens, <-tokens; a <= last || b <= last || a == b {
				t.Errorf("the tokens %d and %d come after %d", a, b, last)
			}
		})
	}
}

// outlive acquires and releases a lock, and returns its token. While a server
// dies its processes end one by one, and one that waits may be granted the lock of
// one that has ended, for as long as it lives itself. So a hold that does not last
// until its release, or was lost when it arrived, is no failure: it begins again.
func outlive(t testing.TB, l core.Lock) uint64 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		h, err := l.Acquire(ctx)
		if errors.Is(err, core.ErrUnavailable) && ctx.Err() == nil && strings.Contains(err.Error(), "came too late") {
			continue
		}
		if err != nil {
			t.Errorf("a waiter: %v", err)
			return 0
		}
		token := h.Token()
		if err := h.Release(ctx); err == nil {
			return token
		} else if !errors.Is(err, core.ErrLost) {
			t.Errorf("a waiter's release: %v", err)
			return 0
		}
	}
}

// A network that is cut without a word: the client gives up within 6 s, and the
// server frees the lock within 20 s, and not before the client gave up.
func TestSilentNetwork(t *testing.T) {
	waits(t)
	pg := server(t, testenv.PostgresConfig{})
	proxy := faultproxy.New(t, pg.Addr())
	p := open(t, through(t, pg.URL(), proxy), nil)
	h := acquire(t, p.NewLock("a"))
	start := time.Now()
	proxy.BlackHole()
	lostWithin(t, h, 6*time.Second, start)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := h.Release(ctx); !errors.Is(err, core.ErrLost) {
		t.Errorf("Release: %v", err)
	}
	// The proxy's kernel still answers for the client, so that the server frees the
	// lock is seen only when the connection is cut; TestVanishedClient does it with
	// a real cut.
	proxy.Cut()
	q := open(t, pg.URL(), nil)
	release(t, acquire(t, q.NewLock("a")))
}

// Close does not wait for a connection that is being made and is not answered.
func TestCloseWhileItConnects(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	proxy := faultproxy.New(t, pg.Addr())
	const longest = time.Minute
	p := open(t, through(t, pg.URL(), proxy), &postgres.Options{ConnectTimeout: longest})
	h := acquire(t, open(t, pg.URL(), nil).NewLock("a"))
	if _, err := p.NewLock("a").TryAcquire(context.Background()); !errors.Is(err, core.ErrNotAcquired) {
		t.Fatal(err)
	}
	connections := proxy.Stats().Connections
	proxy.SetHook(faultproxy.OnRequest("application_name", faultproxy.Mute)) // What begins a connection is lost.
	waited := make(chan error, 1)
	go func() {
		_, err := p.NewLock("a").Acquire(context.Background())
		waited <- err
	}()
	eventually(t, "it connects, to wait", func() bool { return proxy.Stats().Connections > connections })
	start := time.Now()
	if err := p.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(start); took > longest/4 {
		t.Errorf("Close took %v", took)
	}
	if err := <-waited; !errors.Is(err, core.ErrClosed) {
		t.Errorf("the acquire: %v", err)
	}
	release(t, h)
}

// A release whose answer is lost ends the session rather than leave the lock
// behind, and nobody is told that it worked.
func TestReleaseThatIsNotAnswered(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	proxy := faultproxy.New(t, pg.Addr())
	p := open(t, through(t, pg.URL(), proxy), &postgres.Options{PingInterval: 200 * time.Millisecond, PingTimeout: 300 * time.Millisecond})
	q, c := open(t, pg.URL(), nil), connect(t, pg.URL())
	for _, d := range []faultproxy.Direction{faultproxy.Up, faultproxy.Down} {
		h := acquire(t, p.NewLock("a"))
		proxy.Stall(d)
		if err := h.Release(context.Background()); !errors.Is(err, core.ErrLost) {
			t.Errorf("Release without an answer: %v", err)
		}
		proxy.Cut()
		proxy.Resume(d)
		release(t, acquire(t, q.NewLock("a")))
	}
	eventually(t, "no lock is left", func() bool { return locks(t, c) == 0 })
}

// An acquire whose answer is lost leaves no lock behind, wherever it is cut.
func TestAcquireThatIsNotAnswered(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	proxy := faultproxy.New(t, pg.Addr())
	p := open(t, through(t, pg.URL(), proxy), nil)
	c := connect(t, pg.URL())
	release(t, acquire(t, p.NewLock("warm")))
	for _, action := range []faultproxy.Action{faultproxy.Cut, faultproxy.ForwardThenCut} {
		for _, d := range []faultproxy.Direction{faultproxy.Up, faultproxy.Down} {
			if d == faultproxy.Up {
				proxy.SetHook(faultproxy.OnRequest("", action))
			} else {
				proxy.SetHook(faultproxy.OnReply("", action))
			}
			h, err := p.NewLock("a").TryAcquire(context.Background())
			proxy.SetHook(nil)
			if err == nil { // The grant arrived before the cut.
				<-h.Done()
			} else {
				wants(t, err, core.ErrUnavailable)
			}
			eventually(t, "no lock is left", func() bool { return locks(t, c) == 0 })
			release(t, acquire(t, p.NewLock("a")))
		}
	}
}

// What an administrator may set to end idle sessions does not end a hold (F56).
func TestIdleSessionTimeout(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	for _, name := range []string{"idle_session_timeout", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"} {
		if query[bool](t, c, "select exists (select from pg_settings where name = $1)", name) { // Older servers lack some.
			exec(t, c, "alter system set "+name+" = '600ms'")
		}
	}
	if err := pg.Restart(context.Background(), testenv.Fast); err != nil {
		t.Fatal(err)
	}
	p := open(t, pg.URL()+"&statement_timeout=500", &postgres.Options{PingInterval: time.Second})
	q := open(t, pg.URL(), nil)
	h := acquire(t, p.NewLock("a"))
	got := make(chan error, 1)
	go func() {
		w, err := q.NewLock("a").Acquire(context.Background())
		if err == nil {
			err = w.Release(context.Background())
		}
		got <- err
	}()
	select {
	case <-h.Done():
		t.Fatalf("the hold ended: %v", h.Err())
	case err := <-got:
		t.Fatalf("the wait ended: %v", err)
	case <-time.After(3 * time.Second): // Five times what would end them.
	}
	release(t, h)
	if err := <-got; err != nil {
		t.Error(err)
	}
}
