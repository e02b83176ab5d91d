//go:build unix

package postgrestest

import (
	"context"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
)

// An acquire that gets nothing, at once or after a wait, leaves no connection
// behind: go-mysql-lock 9 leaked one with each.
func TestRefusedAcquiresKeepNoConnection(t *testing.T) {
	pg := server(t, testenv.PostgresConfig{})
	c := connect(t, pg.URL())
	p, q := open(t, pg.URL(), nil), open(t, pg.URL(), nil)
	held := acquire(t, p.NewLock("a"))
	refuse := func() {
		_, err := q.NewLock("a").TryAcquire(t.Context())
		wants(t, err, core.ErrNotAcquired)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = q.NewLock("a").Acquire(ctx)
		wants(t, err, context.DeadlineExceeded)
	}
	refuse()
	waitsAndLeaves(t, c, q.NewLock("a"))
	before := sessions(t, c)
	for range 100 {
		refuse()
	}
	eventually(t, "no more connections than after the first refusal", func() bool { return sessions(t, c) <= before })
	release(t, held)
}
