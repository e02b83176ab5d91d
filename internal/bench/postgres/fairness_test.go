//go:build unix

package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/distlock/distlock-go/postgres"
)

// workerVariable is set in the processes that BenchmarkFairness starts. They are
// this test binary, and its value is the URL of the server.
const workerVariable = "DISTLOCK_BENCH_WORKER"

func TestMain(m *testing.M) {
	if url := os.Getenv(workerVariable); url != "" {
		if err := compete(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// compete is the life of a worker: it says that it is ready, acquires and releases
// the lock from when its standard input has a byte until it is closed, and prints
// how often it had the lock.
func compete(url string) error {
	p, err := postgres.Open(ctx, url, nil)
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	l := p.NewLock("a")
	fmt.Println("ready")
	if _, err := io.ReadFull(os.Stdin, make([]byte, 1)); err != nil {
		return err
	}
	working, stop := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	n := 0
	for {
		h, err := l.Acquire(working)
		if err == nil {
			n++
			err = h.Release(ctx)
		}
		switch {
		case working.Err() != nil:
			fmt.Println(n)
			return nil
		case err != nil:
			return err
		}
	}
}

// A worker is a process that competes.
type worker struct {
	stdin  io.WriteCloser
	stdout *bufio.Reader
	*exec.Cmd
}

func startWorker(b *testing.B, url string) *worker {
	b.Helper()
	program, err := os.Executable()
	must(b, err)
	w := &worker{Cmd: exec.Command(program)}
	w.Env = append(os.Environ(), workerVariable+"="+url)
	w.Stderr = os.Stderr
	w.stdin, err = w.StdinPipe()
	must(b, err)
	stdout, err := w.StdoutPipe()
	must(b, err)
	w.stdout = bufio.NewReader(stdout)
	must(b, w.Start())
	b.Cleanup(func() {
		_ = w.stdin.Close()
		_ = w.Wait()
	})
	_, err = w.stdout.ReadString('\n') // It is ready.
	must(b, err)
	return w
}

// BenchmarkFairness: 16 processes compete for one lock. Goal: the one with the
// most acquisitions has at most 1.2 times those of the one with the fewest.
func BenchmarkFairness(b *testing.B) {
	pg := server(b)
	var counts [16]int
	for b.Loop() {
		var workers [len(counts)]*worker
		for i := range workers {
			workers[i] = startWorker(b, pg.URL())
		}
		for _, w := range workers {
			_, err := w.stdin.Write([]byte{1})
			must(b, err)
		}
		time.Sleep(3 * time.Second)
		for _, w := range workers {
			must(b, w.stdin.Close())
		}
		for i, w := range workers {
			var n int
			_, err := fmt.Fscanln(w.stdout, &n)
			must(b, err)
			counts[i] += n
		}
	}
	all := 0
	for _, n := range counts {
		all += n
	}
	b.ReportMetric(float64(slices.Max(counts[:]))/float64(slices.Min(counts[:])), "most/least")
	b.ReportMetric(float64(all)/float64(len(counts)), "acquisitions-each")
}
