//go:build unix

package postgrestest

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/internal/testenv"
)

// server starts a server for one test. When the test has closed its providers it
// checks that they have left nothing: no goroutine here, and no connection and no
// advisory lock there, if the server still runs.
func server(t testing.TB, cfg testenv.PostgresConfig) *testenv.Postgres {
	t.Helper()
	pg := testenv.NewPostgres(t, cfg)
	t.Cleanup(func() {
		eventually(t, "no goroutine of the library is left", func() bool { return goroutines() == "" || together.Load() > 1 })
		c, err := pgx.Connect(context.Background(), pg.URL())
		if err != nil {
			return // The test has ended the server, and its locks with it.
		}
		defer func() { _ = c.Close(context.Background()) }()
		exec(t, c, "select set_config(name, '0', false) from pg_settings where name in ('statement_timeout', 'idle_session_timeout')")
		if query[bool](t, c, "select pg_is_in_recovery()") {
			return
		}
		eventually(t, "no connection and no lock of the library is left", func() bool {
			return query[int](t, c, "select count(*) from pg_stat_activity where application_name like 'distlock %'") == 0 && locks(t, c) == 0
		})
	})
	return pg
}

// together is how many tests run now beside each other. The last of them sees all
// goroutines that any of them has left.
var together atomic.Int32

// waits says that a test waits most of the time, so that others may run meanwhile.
func waits(t *testing.T) {
	t.Helper()
	t.Parallel()
	together.Add(1)
	t.Cleanup(func() { together.Add(-1) })
}

// goroutines returns the stack of one that runs the library's code, or "".
func goroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "distlock-go/postgres.") || strings.Contains(g, "distlock-go/core/driver") || strings.Contains(g, "distlock-go/core/internal") {
			return g
		}
	}
	return ""
}
