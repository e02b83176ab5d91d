package postgres_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/postgres"
)

// However many callers a process has, it has one place in the server's queue. So
// one with a crowd does not keep another one out, and who came later in another
// process may be served before who came earlier in this one.
func TestProcessesTakeTurns(t *testing.T) {
	c := admin(t)
	leavesNothing(t, c)
	const callers = 4
	atServer := func() int {
		return query[int](t, c, "select count(*) from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())")
	}
	first, err := open(t, nil).NewLock(t.Name()).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	granted, leave := make(chan string), make(chan struct{})
	var all sync.WaitGroup
	for i, process := range []string{"p", "q"} {
		var waiting atomic.Int32
		l := open(t, &postgres.Options{Observer: core.ObserverFunc(func(_ context.Context, e core.Event) {
			if e.Type == core.EventWaiting {
				waiting.Add(1)
			}
		})}).NewLock(t.Name())
		for range callers {
			all.Go(func() {
				h, err := l.Acquire(t.Context())
				granted <- process
				<-leave
				if err == nil {
					err = h.Release(t.Context())
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		eventually(t, "all callers wait, at one place", func() bool { return waiting.Load() == callers && atServer() == i+1 })
	}
	if err := first.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	var order strings.Builder
	for n := range 2 * callers {
		order.WriteString(<-granted)
		others := min(1, 2*callers-1-n)
		eventually(t, "the other process stands in the server's queue", func() bool { return atServer() >= others })
		leave <- struct{}{}
	}
	all.Wait()
	if want := strings.Repeat("pq", callers); order.String() != want {
		t.Errorf("served in the order %s, want %s", order.String(), want)
	}
}
