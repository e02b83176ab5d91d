//go:build unix

package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/postgres"
)

// fails opens a provider that cannot work, and checks how it says so.
func fails(t *testing.T, dsn string, o *postgres.Options, targets ...error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	p, err := postgres.Open(ctx, dsn, o)
	if err == nil {
		_ = p.Close()
		t.Fatalf("Open succeeded; want an error that matches %v", targets)
	}
	if strings.Contains(err.Error(), "s3cret") || strings.Contains(fmt.Sprintf("%+v", err), "s3cret") {
		t.Errorf("the error has the password: %v", err)
	}
	wants(t, err, targets...)
	return err
}

func as(t *testing.T, serverURL, user, password, database string) string {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		u.User = url.UserPassword(user, password)
	}
	if database != "" {
		u.Path = "/" + database
	}
	return u.String()
}

func TestCannotConnect(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{Password: "right"})
	t.Run("wrong password", func(t *testing.T) {
		fails(t, as(t, pg.URL(), "postgres", "s3cret", ""), nil, core.ErrUnavailable, postgres.ErrAuth)
	})
	t.Run("unknown database", func(t *testing.T) {
		fails(t, as(t, pg.URL(), "postgres", "right", "nowhere"), nil, core.ErrUnavailable)
	})
	t.Run("right password", func(t *testing.T) {
		release(t, acquire(t, open(t, pg.URL(), nil).NewLock("a")))
	})
	t.Run("unix socket", func(t *testing.T) {
		if pg.SocketURL() == "" {
			t.Skip("the server is in a container")
		}
		release(t, acquire(t, open(t, pg.SocketURL(), nil).NewLock("a")))
	})
	t.Run("several hosts", func(t *testing.T) {
		dsn := fmt.Sprintf("host=127.0.0.1,127.0.0.1 port=1,%d user=postgres password=right dbname=postgres target_session_attrs=read-write", pg.Port())
		release(t, acquire(t, open(t, dsn, nil).NewLock("a")))
	})
	t.Run("no server", func(t *testing.T) {
		start := time.Now()
		fails(t, "postgres://u:s3cret@127.0.0.1:1/x", nil, core.ErrUnavailable)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("told after %v", took)
		}
	})
}

func TestGarbage(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:s3cret@h:port/db", "postgres://u:s3cret@h/db?sslmode=never",
		"postgres://u:s3cret@h/db?connect_timeout=soon", "host=h password=s3cret sslmode=never", "password='s3cret", "nonsense s3cret",
		"postgres://u:s3cret%zz@h/db", "host=h password=s3cret port=x", "\x00s3cret",
	} {
		fails(t, dsn, nil, core.ErrInvalid)
	}
	// What can be read, in one way or the other, is told of without the password.
	for _, dsn := range []string{"postgres://u:s3cret#x@127.0.0.1:1/db", "postgres://[::1:s3cret@127.0.0.1:1/db", "postgres://u:s3cret@127.0.0.1:1/db?nonsense=1"} {
		fails(t, dsn, nil)
	}
}

func TestTooManyConnections(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{Settings: map[string]string{"max_connections": "5", "superuser_reserved_connections": "0", "max_wal_senders": "0"}})
	p := open(t, pg.URL(), &postgres.Options{HoldsPerSession: 1})
	first := acquire(t, p.NewLock("a"))
	others := 0
	eventually(t, "four others take all connections", func() bool {
		// Who has connected to see whether the server is up may not be quite gone.
		c, err := pgx.Connect(context.Background(), pg.URL())
		if err == nil {
			t.Cleanup(func() { _ = c.Close(context.Background()) })
			others++
		}
		return others == 4
	})
	_, err := p.NewLock("b").TryAcquire(context.Background())
	wants(t, err, core.ErrUnavailable)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err = p.NewLock("b").Acquire(ctx)
	wants(t, err, core.ErrUnavailable, context.DeadlineExceeded)
	if errors.Is(err, core.ErrNotAcquired) {
		t.Error("a wait for a connection is told as one for a holder")
	}
	got := make(chan error, 1)
	go func() {
		h, err := p.NewLock("c").Acquire(context.Background())
		if err == nil {
			err = h.Release(context.Background())
		}
		got <- err
	}()
	release(t, first) // There is room on its session now.
	if err := <-got; err != nil {
		t.Error(err)
	}
}

// A server whose lock table is full refuses one lock, and keeps the others of the
// session (53200). MaxHolds keeps it from coming to that.
func TestLockTableIsFull(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{Settings: map[string]string{
		"max_connections": "10", "max_locks_per_transaction": "10", "max_wal_senders": "0"}})
	p := open(t, pg.URL(), &postgres.Options{MaxHolds: 10000, HoldsPerSession: 10000})
	var held []core.Handle
	// refused acquires one lock after another until one is refused. The server's
	// other processes use the table too, so what was full a moment ago may have
	// room again.
	refused := func(l func(name string) core.Lock) error {
		for i := range 10000 {
			h, err := l(fmt.Sprint(len(held), "-", i)).TryAcquire(context.Background())
			if err != nil {
				return err
			}
			held = append(held, h)
		}
		return nil
	}
	for kind, l := range map[string]func(string) core.Lock{
		"lock":      p.NewLock,
		"semaphore": func(name string) core.Lock { return p.NewSemaphore(name, 3) },
		"reader":    func(name string) core.Lock { return core.Reader(p.NewRWLock(name)) },
		"writer":    func(name string) core.Lock { return core.Writer(p.NewRWLock(name)) },
	} {
		err := refused(l)
		t.Logf("%d locks are held; one more %s: %v", len(held), kind, err)
		wants(t, err, core.ErrUnavailable, postgres.ErrTooManyHolds)
	}
	var crowd sync.WaitGroup
	for i := range 4 {
		crowd.Go(func() {
			for n := range 100 {
				h, err := p.NewLock(fmt.Sprint("crowd-", i, "-", n)).TryAcquire(context.Background())
				if err == nil {
					err = h.Release(context.Background()) // The table has had room for a moment.
				}
				if err != nil && !errors.Is(err, postgres.ErrTooManyHolds) {
					t.Error(err)
				}
			}
		})
	}
	crowd.Wait()
	for _, h := range held {
		if h.Err() != nil {
			t.Fatalf("a hold was lost: %v", h.Err())
		}
		release(t, h)
	}
	c := connect(t, pg.URL())
	eventually(t, "no lock is left", func() bool { return locks(t, c) == 0 })
	release(t, acquire(t, p.NewLock("again")))

	q := open(t, pg.URL(), &postgres.Options{MaxHolds: 3})
	for i := range 3 {
		defer release(t, acquire(t, q.NewLock(fmt.Sprint(i))))
	}
	_, err := q.NewLock("one more").TryAcquire(context.Background())
	wants(t, err, core.ErrUnavailable, postgres.ErrTooManyHolds)
}

func TestTokens(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	exec(t, c, "create role app login; revoke create on schema public from public")
	app := as(t, pg.URL(), "app", "", "")
	t.Run("no right", func(t *testing.T) {
		p := open(t, app, nil)
		h := acquire(t, p.NewLock("a"))
		if h.Token() != 0 {
			t.Errorf("the token is %d", h.Token())
		}
		release(t, h)
		r, err := p.Check(context.Background())
		if err != nil || r.Tokens || len(r.Warnings) == 0 {
			t.Errorf("Check says %+v, %v", r, err)
		}
		err = fails(t, app, &postgres.Options{RequireToken: true}, core.ErrUnavailable, postgres.ErrNoToken)
		if !strings.Contains(err.Error(), postgres.TokenSQL("")) {
			t.Errorf("the error does not tell the cure: %v", err)
		}
	})
	t.Run("NoCreate", func(t *testing.T) {
		h := acquire(t, open(t, pg.URL(), &postgres.Options{NoCreate: true}).NewLock("a"))
		if h.Token() != 0 {
			t.Errorf("the token is %d", h.Token())
		}
		release(t, h)
	})
	t.Run("given", func(t *testing.T) {
		exec(t, c, postgres.TokenSQL(""))
		h := acquire(t, open(t, app, &postgres.Options{RequireToken: true}).NewLock("a"))
		if h.Token() == 0 {
			t.Error("the token is 0")
		}
		release(t, h)
	})
	t.Run("wrong sequence", func(t *testing.T) {
		exec(t, c, "create sequence public.wrong cache 10")
		fails(t, pg.URL(), &postgres.Options{TokenSequence: "public.wrong"}, core.ErrInvalid)
	})
	t.Run("own sequence", func(t *testing.T) {
		exec(t, c, `create schema "it's"`)
		p := open(t, pg.URL(), &postgres.Options{TokenSequence: "it's.Tokens", RequireToken: true})
		release(t, acquire(t, p.NewLock("a")))
		if !query[bool](t, c, `select to_regclass('"it''s"."Tokens"') is not null`) {
			t.Error("the sequence was not created")
		}
	})
	t.Run("dropped", func(t *testing.T) {
		p := open(t, pg.URL(), &postgres.Options{TokenSequence: "public.dropped", RequireToken: true})
		var held []core.Handle
		for i := range 8 {
			held = append(held, acquire(t, p.NewLock(fmt.Sprint(i))))
		}
		exec(t, c, "drop sequence public.dropped")
		var crowd sync.WaitGroup
		for i := range 4 {
			crowd.Go(func() {
				for range 20 {
					if _, err := p.NewLock(fmt.Sprint("crowd-", i)).TryAcquire(context.Background()); !errors.Is(err, core.ErrUnavailable) {
						t.Error("without a token:", err)
					}
				}
			})
		}
		crowd.Wait()
		for _, h := range held {
			crowd.Go(func() {
				if err := errors.Join(h.Err(), h.Release(context.Background())); err != nil {
					t.Error("a hold was lost:", err)
				}
			})
		}
		crowd.Wait()
		eventually(t, "no lock is left", func() bool { return locks(t, c) == 0 })
	})
}

func TestStandby(t *testing.T) {
	primary := server(t, testenv.PostgresConfig{})
	p := open(t, primary.URL(), nil)
	h := acquire(t, p.NewLock("a"))
	before := h.Token()
	release(t, h)
	standby := server(t, testenv.PostgresConfig{StandbyOf: primary})
	fails(t, standby.URL(), nil, core.ErrUnavailable, postgres.ErrStandby)
	held := acquire(t, p.NewLock("held")) // Which no standby knows of.
	killed := time.Now()
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	lostWithin(t, held, 10*time.Second, killed)
	if err := standby.Promote(context.Background()); err != nil {
		t.Fatal(err)
	}
	q := open(t, standby.URL(), nil)
	next := acquire(t, q.NewLock("held"))
	if next.Token() <= held.Token() {
		t.Errorf("the token of the next holder is %d; that of the one who lost it was %d", next.Token(), held.Token())
	}
	release(t, next)
	h = acquire(t, q.NewLock("a"))
	if h.Token() <= before {
		t.Errorf("after the failover the token is %d; it was %d", h.Token(), before)
	}
	if (h.Token()-before)>>48 != 1 {
		t.Errorf("the tokens %d and %d are not one timeline apart", before, h.Token())
	}
	release(t, h)
}

func TestPooler(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	for _, mode := range []string{"transaction", "session"} {
		t.Run(mode, func(t *testing.T) {
			b := testenv.NewPgBouncer(t, testenv.PgBouncerConfig{Upstream: pg, Mode: mode})
			fails(t, b.URL(), nil, core.ErrUnavailable, postgres.ErrPooler)
			c := connect(t, b.URL()+"&default_query_exec_mode=simple_protocol")
			tx, err := c.Begin(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if err := postgres.AcquireTx(context.Background(), tx, "a"); err != nil {
				t.Fatal(err)
			}
			_, err = open(t, pg.URL(), nil).NewLock("a").TryAcquire(context.Background())
			wants(t, err, core.ErrNotAcquired)
			if err := tx.Commit(context.Background()); err != nil {
				t.Fatal(err)
			}
			if mode == "session" {
				p := open(t, b.URL(), &postgres.Options{AllowPooler: true})
				release(t, acquire(t, p.NewLock("a")))
			}
		})
	}
}
