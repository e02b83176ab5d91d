//go:build unix

package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/postgres"
)

// goingBack is what takes the sequence of tokens back, or makes a new one.
var goingBack = map[string]func(t *testing.T, c *pgx.Conn){
	"dropped": func(t *testing.T, c *pgx.Conn) { exec(t, c, "drop sequence if exists "+postgres.DefaultTokenSequence) },
	"restarted": func(t *testing.T, c *pgx.Conn) {
		exec(t, c, "alter sequence "+postgres.DefaultTokenSequence+" restart")
	},
	"restarted at its least": func(t *testing.T, c *pgx.Conn) {
		exec(t, c, "alter sequence "+postgres.DefaultTokenSequence+" restart with 256")
	},
	"loaded from a dump": func(t *testing.T, c *pgx.Conn) {
		exec(t, c, "select setval($1, 2560)", postgres.DefaultTokenSequence)
	},
	"created by hand": func(t *testing.T, c *pgx.Conn) {
		exec(t, c, "drop sequence "+postgres.DefaultTokenSequence)
		exec(t, c, "create sequence "+postgres.DefaultTokenSequence+" as bigint minvalue 256 increment by 256")
	},
}

// backdate makes the sequence one that was created an hour ago, and used since.
func backdate(t *testing.T, c *pgx.Conn) {
	t.Helper()
	exec(t, c, "drop sequence if exists "+postgres.DefaultTokenSequence)
	exec(t, c, fmt.Sprintf("create sequence %s as bigint minvalue 256 increment by 256 start with %d",
		postgres.DefaultTokenSequence, time.Now().Add(-time.Hour).UnixMicro()))
}

func holdOnce(t *testing.T, p *postgres.Provider) uint64 {
	t.Helper()
	h := acquire(t, p.NewLock("a"))
	defer release(t, h)
	return h.Token()
}

// Tokens go on growing when the sequence was taken back between two sessions.
func TestTokensGrowOverSessions(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	for name, goBack := range goingBack {
		t.Run(name, func(t *testing.T) {
			backdate(t, c)
			p := open(t, pg.URL(), nil)
			before := holdOnce(t, p)
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			goBack(t, c)
			if after := holdOnce(t, open(t, pg.URL(), nil)); after <= before {
				t.Errorf("the token is %d; it was %d before", after, before)
			}
		})
	}
}

// The clock of the server is set back between the look at the sequence and what lifts
// it: here, by a clock_timestamp that is two hours behind the time at which the
// transaction began. The sequence, of an hour ago, must not be taken back by that.
func TestALiftIsOfOneMoment(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	backdate(t, c)
	exec(t, c, "create schema late")
	exec(t, c, `create function late.clock_timestamp() returns timestamptz language sql as
		$$ select pg_catalog.clock_timestamp() - interval '2 hours' $$`)
	before := query[int64](t, c, "select nextval('"+postgres.DefaultTokenSequence+"')")
	u, err := url.Parse(pg.URL())
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", "late,pg_catalog")
	u.RawQuery = q.Encode()
	holdOnce(t, open(t, u.String(), nil))
	if after := query[int64](t, c, "select last_value from "+postgres.DefaultTokenSequence); after < before+50*60*1e6 {
		t.Errorf("the sequence is at %d, and was at %d; want it lifted to the time", after, before)
	}
}

// A session that is open when the sequence is taken back gives no smaller token: it
// ends, which is a loss for its holds, and the next one goes on.
func TestTokensGrowUnderAnOpenSession(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	for name, goBack := range goingBack {
		t.Run(name, func(t *testing.T) {
			backdate(t, c)
			p := open(t, pg.URL(), nil)
			h := acquire(t, p.NewLock("held"))
			last := max(h.Token(), holdOnce(t, p))
			goBack(t, c)
			refused := 0
			for taken := 0; taken < 2; {
				next, err := p.NewLock("a").TryAcquire(context.Background())
				switch {
				case err == nil && next.Token() <= last:
					t.Fatalf("the token is %d; it was %d before", next.Token(), last)
				case err == nil:
					taken++
					last = next.Token()
					release(t, next)
				case errors.Is(err, core.ErrNotAcquired):
					// The server has not noticed yet that the session ended.
				case !errors.Is(err, core.ErrUnavailable):
					t.Fatal(err)
				default:
					t.Log(err)
					if refused++; name == "dropped" && refused == 1 {
						release(t, h) // No token is drawn for it.
						if err := p.Close(); err != nil {
							t.Fatal(err)
						}
						p = open(t, pg.URL(), nil)
					}
				}
			}
			if refused != 1 {
				t.Errorf("%d attempts were refused, want 1", refused)
			}
			if name != "dropped" && !errors.Is(h.Err(), core.ErrLost) {
				t.Errorf("the hold of the session is told as %v", h.Err())
			}
			_ = h.Release(context.Background())
		})
	}
}

// Many that find no sequence at the same time make one, and their tokens differ.
func TestManyCreateTheSequence(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	for range 5 {
		exec(t, c, "drop sequence if exists "+postgres.DefaultTokenSequence)
		now := uint64(time.Now().Add(-time.Second).UnixMicro())
		var mu sync.Mutex
		var crowd sync.WaitGroup
		seen := make(map[uint64]bool)
		for i := range 8 {
			crowd.Go(func() {
				p, err := postgres.Open(context.Background(), pg.URL(), &postgres.Options{RequireToken: true})
				if err != nil {
					t.Error(err)
					return
				}
				defer p.Close()
				h, err := p.NewLock(fmt.Sprint(i)).Acquire(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if token := h.Token(); seen[token] || token-1<<48 < now {
					t.Errorf("the token is %d at %d; seen before: %v", token, now, seen[token])
				}
				seen[h.Token()] = true
			})
		}
		crowd.Wait()
	}
}

// A role that may only draw from the sequence lifts nothing, and needs not: the one that
// created it did. A sequence that cannot be lifted so far is used as it is.
func TestTokensOfASequenceThatIsNotLifted(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	exec(t, c, "create role draws login")
	exec(t, c, postgres.TokenSQL(""))
	p := open(t, as(t, pg.URL(), "draws", "", ""), &postgres.Options{RequireToken: true})
	if token, now := holdOnce(t, p), uint64(time.Now().UnixMicro()); token-1<<48 < now-60e6 {
		t.Errorf("the token is %d at %d", token, now)
	}
	exec(t, c, `create sequence public."50%s" as bigint minvalue 256 maxvalue 1000000000 increment by 256`)
	p = open(t, pg.URL(), &postgres.Options{RequireToken: true, TokenSequence: "public.50%s"})
	if token := holdOnce(t, p); token-1<<48 > 1e9 {
		t.Errorf("the token is %d", token)
	}
}
