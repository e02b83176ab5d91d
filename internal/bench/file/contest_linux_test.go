package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file"
)

// A process of these benchmarks is this program with a role in its environment.
const roleVar = "DISTLOCK_BENCH_ROLE"

func TestMain(m *testing.M) {
	role, dir, ok := strings.Cut(os.Getenv(roleVar), " ")
	if !ok {
		os.Exit(m.Run())
	}
	if err := roles()[role](dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func roles() map[string]func(dir string) error {
	return map[string]func(dir string) error{
		"waiter-flock":    func(dir string) error { return wait(dir, blocking) },
		"waiter-distlock": func(dir string) error { return wait(dir, waiting) },
		"waiter-gofrs":    func(dir string) error { return wait(dir, polling) },
		"idle":            idle,
		"readers":         readers,
	}
}

// start starts a process in a role, which the benchmark ends.
func start(b *testing.B, role, dir string) *exec.Cmd {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+role+" "+dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// A board is memory that two processes share.
type board struct {
	round    atomic.Int64 // begun by the holder
	ready    atomic.Int64 // the waiter is about to wait
	acquired atomic.Int64 // when, by the clock of the machine
	done     atomic.Int64
	stop     atomic.Int64
}

func openBoard(dir string) (*board, error) {
	f, err := os.OpenFile(filepath.Join(dir, "board"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(4096); err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*board)(unsafe.Pointer(&mem[0])), nil
}

func now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano()
}

// A locker acquires and returns the release.
type locker func() (release func() error, err error)

func blocking(dir string) (locker, error) {
	fd, err := unix.Open(filepath.Join(dir, "lock"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	return func() (func() error, error) {
		for {
			if err := unix.Flock(fd, unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
				return func() error { return unix.Flock(fd, unix.LOCK_UN) }, err
			}
		}
	}, err
}

func polling(dir string) (locker, error) {
	l := flock.New(filepath.Join(dir, "lock"))
	return func() (func() error, error) {
		_, err := l.TryLockContext(context.Background(), 10*time.Millisecond)
		return l.Unlock, err
	}, nil
}

func waiting(dir string) (locker, error) {
	p, err := file.New(dir, nil)
	if err != nil {
		return nil, err
	}
	l := p.NewLock("lock")
	return func() (func() error, error) {
		h, err := l.Acquire(context.Background())
		return func() error { return h.Release(context.Background()) }, err
	}, nil
}

// wait is the process that is handed the lock.
func wait(dir string, open func(string) (locker, error)) error {
	bd, err := openBoard(dir)
	if err != nil {
		return err
	}
	lock, err := open(dir)
	if err != nil {
		return err
	}
	for round := int64(1); ; round++ {
		for bd.round.Load() != round {
			if bd.stop.Load() != 0 {
				return nil
			}
			time.Sleep(100 * time.Microsecond)
		}
		bd.ready.Store(round)
		release, err := lock()
		if err != nil {
			return err
		}
		bd.acquired.Store(now())
		if err := release(); err != nil {
			return err
		}
		bd.done.Store(round)
	}
}

// BenchmarkHandover is the time from a release in one process to the return of an
// acquire that waits in another. The ways to wait are interleaved.
func BenchmarkHandover(b *testing.B) {
	ways := []struct {
		name string
		open func(string) (locker, error)
	}{{"flock", blocking}, {"distlock", waiting}, {"gofrs", polling}}
	took := make([][]time.Duration, len(ways))
	turn := make([]func() time.Duration, len(ways))
	for i, w := range ways {
		dir := b.TempDir()
		bd, err := openBoard(dir)
		if err != nil {
			b.Fatal(err)
		}
		lock, err := w.open(dir)
		if err != nil {
			b.Fatal(err)
		}
		cmd := start(b, "waiter-"+w.name, dir)
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		defer func() { bd.stop.Store(1); _ = cmd.Wait() }()
		var round int64
		turn[i] = func() time.Duration {
			release, err := lock()
			if err != nil {
				b.Fatal(err)
			}
			round++
			bd.round.Store(round)
			for bd.ready.Load() != round {
				time.Sleep(100 * time.Microsecond)
			}
			time.Sleep(3*time.Millisecond + time.Duration(round%7)*time.Millisecond)
			released := now()
			if err := release(); err != nil {
				b.Fatal(err)
			}
			for bd.done.Load() != round {
				time.Sleep(50 * time.Microsecond)
			}
			return time.Duration(bd.acquired.Load() - released)
		}
		for range 10 {
			turn[i]()
		}
	}
	for b.Loop() {
		for i := range ways {
			took[i] = append(took[i], turn[i]())
		}
	}
	for i, w := range ways {
		b.ReportMetric(micros(quantile(took[i], 0.1)), w.name+"-p10-µs")
		b.ReportMetric(micros(quantile(took[i], 0.5)), w.name+"-p50-µs")
		b.ReportMetric(micros(quantile(took[i], 0.99)), w.name+"-p99-µs")
	}
	b.ReportMetric(micros(quantile(took[1], 0.5))/micros(quantile(took[0], 0.5)), "distlock/flock")
	b.ReportMetric(0, "ns/op")
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func quantile(all []time.Duration, q float64) time.Duration {
	all = slices.Sorted(slices.Values(all))
	return all[int(q*float64(len(all)-1))]
}

const waiters = 1000

// idle is a process with many waiters. It prints the share of a core that it
// needs, its threads, and the time in ms that it takes to cancel all waits.
func idle(dir string) error {
	p, err := file.New(dir, nil)
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	for i := range waiters {
		all.Go(func() { _, _ = p.NewLock(strconv.Itoa(i)).Acquire(ctx) })
	}
	time.Sleep(8 * time.Second) // Until all wait, and their pauses have grown.
	const span = 5 * time.Second
	before := cpu()
	time.Sleep(span)
	share := 100 * float64(cpu()-before) / float64(span)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, threads, _ := strings.Cut(string(status), "Threads:")
	started := time.Now()
	cancel()
	all.Wait()
	fmt.Println(share, strings.Fields(threads)[0], float64(time.Since(started).Microseconds())/1e3)
	return nil
}

func cpu() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIdleWaiters is what a thousand waiters need who are not served.
func BenchmarkIdleWaiters(b *testing.B) {
	dir := b.TempDir()
	p, err := file.New(dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for i := range waiters {
		h, err := p.NewLock(strconv.Itoa(i)).TryAcquire(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = h.Release(context.Background()) }()
	}
	var share, threads, cancel float64
	n := 0
	for b.Loop() {
		out, err := start(b, "idle", dir).Output()
		if err != nil {
			b.Fatal(err)
		}
		var s, t, c float64
		if _, err := fmt.Sscan(string(out), &s, &t, &c); err != nil {
			b.Fatal(err)
		}
		share, threads, cancel = max(share, s), max(threads, t), max(cancel, c)
		if n++; n == 2 {
			break
		}
	}
	b.ReportMetric(share, "%-of-a-core")
	b.ReportMetric(threads, "threads")
	b.ReportMetric(cancel, "cancel-ms")
	b.ReportMetric(0, "ns/op")
}

// readers is a process in which eight readers overlap all the time.
func readers(dir string) error {
	p, err := file.New(dir, nil)
	if err != nil {
		return err
	}
	bd, err := openBoard(dir)
	if err != nil {
		return err
	}
	l := core.Reader(p.NewRWLock("lock"))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for bd.stop.Load() == 0 {
				h, err := l.Acquire(context.Background())
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				bd.ready.Add(1)
				time.Sleep(5*time.Millisecond + time.Duration(i)*1300*time.Microsecond)
				_ = h.Release(context.Background())
			}
		})
	}
	all.Wait()
	return p.Close()
}

// BenchmarkWriterAmongReaders is how long a writer waits for eight readers of
// another process that overlap without a gap, and hold for 5 to 14 ms.
func BenchmarkWriterAmongReaders(b *testing.B) {
	dir := b.TempDir()
	bd, err := openBoard(dir)
	if err != nil {
		b.Fatal(err)
	}
	p, err := file.New(dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	cmd := start(b, "readers", dir)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { bd.stop.Store(1); _ = cmd.Wait() }()
	l := core.Writer(p.NewRWLock("lock"))
	var took []time.Duration
	for b.Loop() {
		for seen := bd.ready.Load(); bd.ready.Load() < seen+8; {
			time.Sleep(time.Millisecond)
		}
		started := time.Now()
		h, err := l.Acquire(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(started))
		if err := h.Release(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(micros(quantile(took, 0.5))/1e3, "p50-ms")
	b.ReportMetric(micros(quantile(took, 0.99))/1e3, "p99-ms")
	b.ReportMetric(micros(quantile(took, 1))/1e3, "max-ms")
	b.ReportMetric(0, "ns/op")
}
