package scale

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"time"
)

// Config says what to measure.
type Config struct {
	Crowds []Crowd
	Counts []int // of holds and of waiters
	Idle   time.Duration
}

// Run measures one backend and prints the tables.
func Run(ctx context.Context, backend string, c Config, w io.Writer) error {
	if err := crowds(ctx, backend, c.Crowds, w); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n| %s: each | of | to begin | to end | heap | goroutines | descriptors | server CPU, idle | server memory | connections in all |\n|---|---|---|---|---|---|---|---|---|---|\n", backend)
	for _, n := range c.Counts {
		if err := burdens(ctx, backend, n, c.Idle, w); err != nil {
			return err
		}
	}
	return nil
}

func crowds(ctx context.Context, backend string, all []Crowd, w io.Writer) (err error) {
	fmt.Fprintf(w, "| %s: processes | goroutines each | names | pairs/s | p50 wait | p99 wait | longest | server CPU per pair | server memory | connections | memory per process |\n|---|---|---|---|---|---|---|---|---|---|---|\n", backend)
	for _, c := range all {
		p, err := open(ctx, backend)
		if err != nil {
			return err
		}
		r, err := c.measure(ctx, p)
		if closed := p.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("%s, %+v: %w", backend, c, err)
		}
		fmt.Fprintf(w, "| %d | %d | %d | %.0f | %v | %v | %v | %v | %s | %d | %s |\n", r.Processes, r.Goroutines, r.Names, r.perSecond,
			short(r.p50), short(r.p99), short(r.worst), short(r.cpu), size(r.memory), r.connections, size(r.client))
	}
	return nil
}

// burdens gives each count servers of its own: what they keep of the last one is
// not taken for what the next one costs.
func burdens(ctx context.Context, backend string, n int, idle time.Duration, w io.Writer) error {
	p, err := open(ctx, backend)
	if err != nil {
		return err
	}
	rows, err := burden(ctx, p, n, idle)
	if closed := p.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("%s, %d holds: %w", backend, n, err)
	}
	for _, r := range rows {
		fmt.Fprintf(w, "| %s | %d | %v | %v | %s | %.2f | %.2f | %v/s | %s | %d |\n", r.what, r.n, short(r.begin), short(r.end), size(r.heap), r.goroutines, r.files, short(r.serverCPU), size(r.memory), r.connections)
	}
	runtime.GC() // Nothing of it is counted for the next.
	return nil
}

func short(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	case d > time.Microsecond:
		return d.Round(10 * time.Nanosecond)
	}
	return d
}

func size(bytes int64) string {
	switch {
	case bytes > 1<<20:
		return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20))
	case bytes > 10<<10:
		return fmt.Sprintf("%.0f kB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%d B", bytes)
}
