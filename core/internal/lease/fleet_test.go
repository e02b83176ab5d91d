package lease_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core/internal/lease"
)

// A fleet is servers that answer after a round trip, of which some are silent at
// times. It answers a call when all that it is for are answered, or ctx ends.
type fleet struct {
	rtt    time.Duration
	silent func(*guest) bool // is called with mu held
	sched  *lease.Scheduler

	mu    sync.Mutex // guards what follows, and all guests
	calls int
	hung  map[any]int // calls under way that will have no answer, by server
	most  map[any]int
	mixed bool // a call was for several servers
}

// made returns how many calls there were.
func (f *fleet) made() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// A guest has a lease that a server of a fleet keeps.
type guest struct {
	*holder
	fleet *fleet
	told  any // the server that it tells
	host  any // the one that keeps it
	sent  []time.Duration
	late  time.Duration // at most
}

func (g *guest) Renewed(late time.Duration, _ error) {
	g.fleet.mu.Lock()
	defer g.fleet.mu.Unlock()
	g.late = max(g.late, late)
}

func (g *guest) Server() any {
	g.fleet.mu.Lock()
	defer g.fleet.mu.Unlock()
	return g.told
}

func (f *fleet) renew(ctx context.Context, holders []lease.Holder) []error {
	errs := make([]error, len(holders))
	hangs := false
	f.mu.Lock()
	f.calls++
	told := holders[0].(*guest).told
	for i, h := range holders {
		g := h.(*guest)
		g.sent = append(g.sent, time.Since(g.start))
		f.mixed = f.mixed || g.told != told
		if f.silent(g) {
			errs[i], hangs = errDown, true
		}
	}
	if !hangs {
		f.mu.Unlock()
		select {
		case <-time.After(f.rtt):
		case <-ctx.Done():
			for i := range errs {
				errs[i] = ctx.Err()
			}
		}
		return errs
	}
	f.hung[told]++
	f.most[told] = max(f.most[told], f.hung[told])
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	f.hung[told]--
	f.mu.Unlock()
	return errs
}

// newFleet returns one of which a server is silent that has that name.
func newFleet(t *testing.T, rtt time.Duration) *fleet {
	t.Helper()
	f := &fleet{rtt: rtt, hung: make(map[any]int), most: make(map[any]int)}
	f.silent = func(g *guest) bool { return g.host == "silent" }
	f.sched = lease.NewScheduler(lease.Config{Term: term, Clock: lease.System(), Renew: f.renew})
	t.Cleanup(f.sched.Close)
	return f
}

// add adds a lease of a server, for that term.
func (f *fleet) add(at any, term time.Duration) (*guest, *lease.Entry) {
	g := &guest{holder: newHolder(), fleet: f, told: at, host: at}
	return g, f.sched.Add(g, g.start, term)
}

// hide adds a lease of a server that it does not tell.
func (f *fleet) hide(at any) (*guest, *lease.Entry) {
	g := &guest{holder: newHolder(), fleet: f, host: at}
	return g, f.sched.Add(g, g.start, term)
}

// sent returns how often a lease was sent.
func (f *fleet) sent(g *guest) int {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(g.sent)
}

// move has a lease be kept, and be told to be, elsewhere.
func (f *fleet) move(g *guest, to any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g.told, g.host = to, to
}

// crowd adds n leases of each of the servers, at even intervals over a third of the
// term, so that there are more times at which one is due than batches may be sent.
func (f *fleet) crowd(n int, servers ...any) (all []*guest) {
	for i := range n * len(servers) {
		g, _ := f.add(servers[i%len(servers)], term)
		all = append(all, g)
		time.Sleep(term / 3 / time.Duration(n*len(servers)))
	}
	return all
}

// stand tells that none was lost, and returns how many were late.
func (f *fleet) stand(t *testing.T, all ...*guest) (late int) {
	t.Helper()
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	lost := 0
	for _, g := range all {
		lost += len(g.lost)
		if g.late > 0 {
			late++
		}
	}
	if lost != 0 {
		t.Errorf("%d of %d leases were lost", lost, len(all))
	}
	return late
}
