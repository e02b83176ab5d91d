package memory_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/memory"
)

const term = 10 * time.Second

// A partition is a Fault that can cut a provider off: every message is lost.
type partition struct{ cut atomic.Bool }

func (p *partition) fault(context.Context, memory.Message) error {
	if p.cut.Load() {
		return errors.New("network is unreachable")
	}
	return nil
}

// A holder that cannot reach the server learns of the end of its lease before
// anybody else is let in.
func TestPartitionedHolderIsToldFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, network := memory.NewServer(), new(partition)
		p := open(t, &memory.Options{Server: server, Lease: term, Fault: network.fault})
		q := open(t, &memory.Options{Server: server, Lease: term})
		h := acquire(t, p.NewLock("a"))

		time.Sleep(time.Hour)
		if h.Err() != nil {
			t.Fatalf("a lease that is renewed has ended: %v", h.Err())
		}
		network.cut.Store(true)
		start := time.Now()
		var told time.Duration
		go func() {
			<-h.Done()
			told = time.Since(start)
		}()
		next := acquire(t, q.NewLock("a"))
		granted := time.Since(start)
		synctest.Wait()
		if told == 0 || told >= granted || granted > term {
			t.Errorf("the loss was told after %v, and the lock granted to the next after %v; the lease is %v", told, granted, term)
		}
		if next.Token() <= h.Token() {
			t.Errorf("the token %d comes after %d", next.Token(), h.Token())
		}
		if err := h.Release(t.Context()); !errors.Is(err, core.ErrLost) {
			t.Errorf("Release returned %v", err)
		}
		network.cut.Store(false)
		time.Sleep(time.Hour)
		if next.Err() != nil {
			t.Errorf("the next hold has ended: %v", next.Err())
		}
	})
}

// Every message may get lost for a while, if one renewal gets through in time.
func TestLeaseSurvivesShortPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := new(partition)
		p := open(t, &memory.Options{Lease: term, Fault: network.fault})
		h := acquire(t, p.NewLock("a"))
		for range 100 {
			network.cut.Store(true)
			time.Sleep(term / 2)
			network.cut.Store(false)
			time.Sleep(term / 2)
		}
		if h.Err() != nil {
			t.Errorf("the hold has ended: %v", h.Err())
		}
	})
}

// With a lease a broken hold is noticed by the next renewal.
func TestBrokenLeaseIsNoticedByTheRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, &memory.Options{Lease: term})
		h := acquire(t, p.NewLock("a"))
		if n, err := p.Break(t.Context(), core.KindLock, "a"); n != 1 || err != nil {
			t.Fatalf("Break returned %d, %v", n, err)
		}
		start := time.Now()
		<-h.Done()
		if took := time.Since(start); took > term/3 {
			t.Errorf("the loss was told after %v", took)
		}
	})
}

// Without a lease, holders learn of it before anybody else is let in.
func TestBreakTellsBeforeItGrants(t *testing.T) {
	p := open(t, nil)
	for range 100 {
		h := acquire(t, p.NewLock("a"))
		next := make(chan error, 1)
		go func() {
			n, err := p.NewLock("a").Acquire(context.Background())
			if err == nil {
				err = n.Release(context.Background())
			}
			if h.Err() == nil {
				err = errors.New("the former holder believes that it holds the lock")
			}
			next <- err
		}()
		if _, err := p.Break(t.Context(), core.KindLock, "a"); err != nil {
			t.Fatal(err)
		}
		if err := <-next; err != nil {
			t.Fatal(err)
		}
	}
}

// A hold of a process that is no more ends with its lease; the reader beside it
// stays.
func TestLeasesEndOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, network := memory.NewServer(), new(partition)
		p := open(t, &memory.Options{Server: server, Lease: term, Fault: network.fault})
		q := open(t, &memory.Options{Server: server, Lease: term})
		dead := acquire(t, core.Reader(p.NewRWLock("a")))
		alive := acquire(t, core.Reader(q.NewRWLock("a")))
		network.cut.Store(true)
		time.Sleep(2 * term)
		if !errors.Is(dead.Err(), core.ErrLost) || alive.Err() != nil {
			t.Errorf("after the partition of one of two readers their states are %v and %v", dead.Err(), alive.Err())
		}
		status, err := q.Inspect(t.Context(), "a")
		if err != nil || len(status) != 1 || len(status[0].Holders) != 1 || status[0].Holders[0].Token != alive.Token() {
			t.Errorf("Inspect tells %+v, %v", status, err)
		}
		if until := status[0].Holders[0].Until; until.Before(time.Now()) || until.After(time.Now().Add(term)) {
			t.Errorf("the lease is told to end at %v; it is %v", until, time.Now())
		}
		network.cut.Store(false)
	})
}
