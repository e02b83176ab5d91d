package torture

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// watch finds the longest time in which nobody got in anywhere during the torment,
// which ends with ctx, and how much of such a time no server was in trouble for; and
// it calls enough when what was looked for has been found.
func (d *director) watch(ctx context.Context, enough func()) {
	var gap, stuck, calm time.Duration
	seen, since := d.holds(), time.Now()
	last := since
	for look := 1; sleep(ctx, 5*time.Millisecond); look++ {
		now := time.Now()
		if n := d.holds(); n != seen {
			seen, since, calm = n, now, 0
		} else if !d.harming.Load() {
			calm += now.Sub(last)
		}
		last = now
		gap = max(gap, now.Sub(since))
		stuck = max(stuck, calm)
		if look%10 == 0 && (d.reached() || d.Found != nil && d.found()) {
			enough()
		}
	}
	d.mu.Lock()
	d.report.Gap, d.report.Stuck = gap, stuck
	d.mu.Unlock()
}

// clockwatch finds the longest time for which the machine lets somebody wait who
// sleeps for a moment, or, if that is asked for, who has a byte written to the disk of
// temporary files, until it is told to stop.
func clockwatch(disk bool) (stop func() time.Duration) {
	const tick = 5 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	var watches sync.WaitGroup
	var lag, write time.Duration
	watches.Go(func() {
		for last := time.Now(); sleep(ctx, tick); last = time.Now() {
			lag = max(lag, time.Since(last)-tick)
		}
	})
	if disk {
		watches.Go(func() { write = slowest(ctx, 4*tick) })
	}
	return func() time.Duration {
		cancel()
		watches.Wait()
		return max(lag, write)
	}
}

// slowest writes now and then, and returns what the slowest of these has taken.
func slowest(ctx context.Context, pause time.Duration) (longest time.Duration) {
	f, err := os.CreateTemp("", "torture")
	if err != nil {
		return 0
	}
	defer os.Remove(f.Name())
	defer f.Close()
	for sleep(ctx, pause) {
		start := time.Now()
		_, err := f.WriteAt([]byte{1}, 0)
		if err = errors.Join(err, unix.Fdatasync(int(f.Fd()))); err == nil {
			longest = max(longest, time.Since(start))
		}
	}
	return longest
}

// found asks of what the judge knows so far whether that is enough.
func (d *director) found() bool {
	var so Report
	d.sum(&so)
	return d.Found(so)
}

func (d *director) holds() (n uint64) {
	for _, a := range d.arenas {
		n += a.Holds.Load()
	}
	return n
}

// inside returns which seats are inside anything.
func (d *director) inside() (seats uint64) {
	for _, a := range d.arenas {
		seats |= a.Inside.Load()
	}
	return seats
}
