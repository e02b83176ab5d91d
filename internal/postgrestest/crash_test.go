//go:build unix

package postgrestest

import (
	"context"
	"testing"

	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/postgres"
)

// A crash takes back the draws that others made while the one who logged the next 32
// of them had not committed: PostgreSQL hands them out before its log is written.
// Tokens go on growing all the same.
func TestTokensGrowOverACrash(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{Settings: map[string]string{"wal_writer_delay": "10s", "autovacuum": "off"}})
	p := open(t, pg.URL(), nil)
	release(t, acquire(t, p.NewLock("a")))
	c := connect(t, pg.URL())
	exec(t, c, "begin")
	for left := 0; left != 32; left = query[int](t, c, "select log_cnt from "+postgres.DefaultTokenSequence) {
		exec(t, c, "select nextval($1)", postgres.DefaultTokenSequence)
	}
	var last uint64
	for range 10 {
		h := acquire(t, p.NewLock("a"))
		last = h.Token()
		release(t, h)
	}
	if err := pg.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := pg.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	h := acquire(t, p.NewLock("a"))
	if h.Token() <= last {
		t.Errorf("after the crash the token is %d; it was %d before", h.Token(), last)
	}
	release(t, h)
}
