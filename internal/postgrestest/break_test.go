//go:build unix

package postgrestest

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/postgres"
)

// A prepared transaction has no session: it is shown by its name, hides nobody else,
// and is not broken.
func TestPreparedTransactions(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{Settings: map[string]string{"max_prepared_transactions": "5"}})
	p, c := open(t, pg.URL(), nil), connect(t, pg.URL())
	key, _ := postgres.LockKey("", "theirs").Int64()
	h := acquire(t, p.NewLock("ours"))
	for _, prepared := range []struct {
		name string
		key  int64
	}{{"other", 123456}, {"it's this", key}} {
		exec(t, c, "begin")
		exec(t, c, "select pg_advisory_xact_lock($1)", prepared.key)
		exec(t, c, "prepare transaction '"+strings.ReplaceAll(prepared.name, "'", "''")+"'")
	}
	if all, err := p.Inspect(t.Context(), "theirs"); err != nil || len(all) != 1 || len(all[0].Holders) != 1 || all[0].Holders[0].Owner.Program != "prepared transaction it's this" {
		t.Errorf("Inspect tells %+v, %v", all, err)
	}
	if all, err := p.Inspect(t.Context(), "ours"); err != nil || len(all) != 1 || len(all[0].Holders) != 1 {
		t.Errorf("Inspect of another lock tells %+v, %v", all, err)
	}
	if all, err := p.List(t.Context(), ""); err != nil || len(all) != 1 {
		t.Errorf("List tells %+v, %v", all, err)
	}
	n, err := p.Break(t.Context(), core.KindLock, "theirs")
	wants(t, err, core.ErrUnavailable)
	if n != 0 || err == nil || !strings.Contains(err.Error(), "prepared transaction it's this") {
		t.Errorf("Break of what a prepared transaction holds: %d, %v", n, err)
	}
	if n, err := p.Break(t.Context(), core.KindLock, "ours"); n != 1 || err != nil {
		t.Fatalf("Break of another lock: %d, %v", n, err)
	}
	<-h.Done()
	exec(t, c, "rollback prepared 'other'")
	exec(t, c, "rollback prepared 'it''s this'")
}

// Break does not end a session that has released the lock by then: it may carry
// other holds.
func TestBreakOfWhatIsReleased(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	proxy := faultproxy.New(t, pg.Addr())
	p, q := open(t, pg.URL(), nil), open(t, through(t, pg.URL(), proxy), nil)
	h, other := acquire(t, p.NewLock("a")), acquire(t, p.NewLock("other"))
	asked, released := make(chan struct{}), make(chan struct{})
	tell := sync.OnceFunc(func() { close(asked) })
	proxy.SetHook(func(e faultproxy.Event) faultproxy.Action {
		if e.Direction == faultproxy.Up && bytes.Contains(e.Data, []byte("pg_terminate_backend")) {
			tell()
			<-released
		}
		return faultproxy.Forward
	})
	go func() {
		defer close(released)
		<-asked
		if err := h.Release(context.Background()); err != nil {
			t.Errorf("the release: %v", err)
		}
	}()
	if n, err := q.Break(t.Context(), core.KindLock, "a"); n != 0 || err != nil {
		t.Errorf("Break returned %d, %v; nobody holds the lock any more", n, err)
	}
	release(t, other)
}
