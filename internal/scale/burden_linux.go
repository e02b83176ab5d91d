package scale

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/distlock"
)

// burdenReport is what many holds of one process cost, or many waiters, each: the
// difference to none, divided by their number.
type burdenReport struct {
	what string
	n    int

	begin       time.Duration // to acquire, or to begin to wait
	end         time.Duration // to release, or to have been cancelled
	heap        int64         // bytes of the process
	goroutines  float64
	files       float64       // descriptors of the process
	serverCPU   time.Duration // in each second in which nothing happens
	memory      int64         // bytes of the server
	connections int           // in all
}

// atOnce is how many acquires are under way at a time, which a server can combine.
const atOnce = 64

// burden measures n holds, and then n waiters for them in a second provider.
func burden(ctx context.Context, p *place, n int, idle time.Duration) (reports []burdenReport, err error) {
	var waiting atomic.Int64
	holder, err := distlock.Open(ctx, p.url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, holder.Close()) }()
	other, err := distlock.OpenWith(ctx, p.url, &distlock.Options{Observer: distlock.ObserverFunc(func(_ context.Context, e distlock.Event) {
		if e.Type == distlock.EventWaiting {
			waiting.Add(1)
		}
	})})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	for _, q := range []distlock.Provider{holder, other} { // What one hold needs is there.
		if err := distlock.Do(ctx, q.NewLock("warm"), func(context.Context) error { return nil }); err != nil {
			return nil, err
		}
	}

	none, err := takeStock(ctx, p)
	if err != nil {
		return nil, err
	}
	held := make([]distlock.Handle, n)
	start := time.Now()
	err = inParallel(n, func(i int) (err error) {
		held[i], err = holder.NewLock(fmt.Sprint("burden ", i)).Acquire(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	began := time.Since(start)
	holds, cpu, err := rest(ctx, p, idle)
	if err != nil {
		return nil, err
	}
	reports = append(reports, compare("hold", n, none, holds, cpu, began))

	waitCtx, cancel := context.WithCancel(ctx)
	var waiters sync.WaitGroup
	var odd sync.Once
	var gaveUp error
	start = time.Now()
	for i := range n {
		waiters.Go(func() {
			h, err := other.NewLock(fmt.Sprint("burden ", i)).Acquire(waitCtx)
			if err == nil {
				_ = h.Release(ctx)
			}
			if waitCtx.Err() == nil {
				odd.Do(func() { gaveUp = fmt.Errorf("waiter %d of %d has not waited: %w", i, n, err) })
			}
		})
	}
	for waiting.Load() < int64(n) && time.Since(start) < time.Minute {
		pause(time.Millisecond)
	}
	began = time.Since(start)
	waits, cpu, err := rest(ctx, p, idle)
	start = time.Now()
	cancel()
	waiters.Wait()
	ended := time.Since(start)
	if err = errors.Join(err, gaveUp); err != nil {
		return nil, err
	}
	if waiting.Load() < int64(n) {
		return nil, fmt.Errorf("%d of %d acquires wait", waiting.Load(), n)
	}
	both := compare("waiter", n, holds, waits, cpu-reports[0].serverCPU*time.Duration(n), began)
	both.end = ended / time.Duration(n)
	reports = append(reports, both)

	start = time.Now()
	err = inParallel(n, func(i int) error {
		if err := held[i].Err(); err != nil {
			return fmt.Errorf("hold %d of %d: %w", i, n, err)
		}
		return held[i].Release(ctx)
	})
	reports[0].end = time.Since(start) / time.Duration(n)
	return reports, err
}

// stock is what process and server have at a time.
type stock struct {
	usage
	heap       int64
	goroutines int
	files      int
}

func takeStock(ctx context.Context, p *place) (s stock, err error) {
	runtime.GC()
	runtime.GC() // What cleanups have let go of.
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.heap, s.goroutines = int64(m.HeapAlloc), runtime.NumGoroutine()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return s, err
	}
	s.files = len(files)
	s.usage, err = p.usage(ctx)
	return s, err
}

// rest takes stock, and then lets time pass to see what the server does in a
// second.
func rest(ctx context.Context, p *place, idle time.Duration) (s stock, cpu time.Duration, err error) {
	pause(time.Second) // Whatever was begun, such as a subscription, is done.
	if s, err = takeStock(ctx, p); err != nil {
		return s, 0, err
	}
	pause(idle)
	later, err := p.usage(ctx)
	return s, time.Duration(float64(later.cpu-s.cpu) / idle.Seconds()), err
}

func compare(what string, n int, before, after stock, cpu, began time.Duration) burdenReport {
	each := time.Duration(n)
	return burdenReport{
		what: what, n: n, begin: began / each, heap: (after.heap - before.heap) / int64(n),
		goroutines: float64(after.goroutines-before.goroutines) / float64(n), files: float64(after.files-before.files) / float64(n),
		serverCPU: cpu / each, memory: (after.memory - before.memory) / int64(n), connections: after.connections,
	}
}

// inParallel calls f for 0 to n-1, some at a time, and returns the first error.
func inParallel(n int, f func(i int) error) error {
	var next atomic.Int64
	var workers sync.WaitGroup
	var once sync.Once
	var first error
	for range atOnce {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := f(i); err != nil {
					once.Do(func() { first = err })
					return
				}
			}
		})
	}
	workers.Wait()
	return first
}

func pause(d time.Duration) { <-time.After(d) }
