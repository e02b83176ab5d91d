package lease

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A tenant has a lease of a server.
type tenant struct{ server any }

func (tenant) Lost(error)                   {}
func (tenant) Renewed(time.Duration, error) {}
func (t tenant) Server() any                { return t.server }

// Nothing is kept of a server for which nothing is under way, nor of leases that
// waited for a batch and have been sent.
func TestNothingIsKeptOfWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const term = 10 * time.Second
		s := NewScheduler(Config{Term: term, Clock: System(), Renew: func(ctx context.Context, holders []Holder) []error {
			<-ctx.Done()
			return make([]error, len(holders))
		}})
		defer s.Close()
		var all []*Entry
		for range 6 {
			all = append(all, s.Add(tenant{"a"}, time.Now(), term), s.Add(tenant{"b"}, time.Now(), term))
			time.Sleep(term / 50)
		}
		time.Sleep(term/3 - term/50) // The last ones have just fallen due.
		look := func() (groups, waiting int) {
			synctest.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, g := range s.groups {
				waiting += len(g.waiting)
			}
			return len(s.groups), waiting
		}
		if groups, waiting := look(); groups != 2 || waiting != 4 {
			t.Fatalf("%d groups, and %d leases wait; want 2 and 4", groups, waiting)
		}
		time.Sleep(term/4 - 5*term/50) // The first batches have ended.
		if groups, waiting := look(); groups != 2 || waiting != 0 {
			t.Errorf("%d groups, and %d leases wait; want 2 and none", groups, waiting)
		}
		for _, e := range all {
			s.Remove(e)
		}
		time.Sleep(term)
		if groups, _ := look(); groups != 0 {
			t.Errorf("%d groups are kept, and nothing is under way", groups)
		}
	})
}
