package locktest

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A gate stands for what a lock guards, and finds those who are inside together.
// It works with atomic loads and stores, and yields between them: the race
// detector knows nothing of the order that a server makes, and an ordinary
// variable would be a race although the lock is right.
type gate struct {
	inside  atomic.Int64
	most    atomic.Int64 // inside at a time
	entered atomic.Int64
	left    atomic.Int64 // by load and store: of two who overlap one is not counted
}

// pass is a critical section of a mutex.
func (g *gate) pass(t *trial) {
	g.enter(t, 1)
	n := g.left.Load()
	runtime.Gosched()
	g.left.Store(n + 1)
	g.leave()
}

// enter goes in, where no more than limit may be.
func (g *gate) enter(t *trial, limit int) {
	n := g.inside.Add(1)
	if n > int64(limit) {
		t.Errorf("%d holders are inside together; at most %d may be", n, limit)
	}
	for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); {
		most = g.most.Load()
	}
	g.entered.Add(1)
	runtime.Gosched()
}

func (g *gate) leave() { g.inside.Add(-1) }

// check checks, after all who have passed, that they did so one by one.
func (g *gate) check(t *trial) {
	t.Helper()
	if entered, left := g.entered.Load(), g.left.Load(); entered != left {
		t.Errorf("of %d critical sections only %d can be told apart: the others overlapped", entered, left)
	}
}

// finished waits for goroutines; they may have much to do.
func (t *trial) finished(all *sync.WaitGroup) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(3*t.patience() + t.h.Lease):
		t.Fatalf("goroutines that compete for a lock come to a stop:\n%s", stacks())
	}
}

// spin lets an unpredictable short time pass.
func spin(n int) {
	for range n {
		runtime.KeepAlive(n)
	}
}
