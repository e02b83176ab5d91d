package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/distlock/distlock-go/internal/history"
	"github.com/distlock/distlock-go/internal/judge"
)

// A director has a torture under way.
type director struct {
	Config
	place  *place
	before Report // of the rounds before
	arenas []*judge.Arena
	actors []*actor
	spares chan *process

	harming atomic.Bool // A server is in trouble.

	mu      sync.Mutex
	report  Report
	records []string // of what the processes did and saw
}

// run lets the processes fight for a while, and reports.
func run(ctx context.Context, p *place, cfg Config, before Report) (Report, error) {
	d := &director{Config: cfg, place: p, before: before, report: Report{
		Place: p.name, Harms: map[harmKind]int{}, lease: p.lease, sessions: p.has(session),
	}}
	defer d.forget()
	for _, o := range cfg.Objects {
		a, err := o.arena(cfg.Dir)
		if err != nil {
			return d.report, err
		}
		d.arenas = append(d.arenas, a)
	}
	defer d.killAll()
	p.excuse = func() { d.arenas[0].Excused.Store(history.Now()) }
	err := d.direct(ctx)
	return d.report, err
}

// forget unmaps the judge's memory.
func (d *director) forget() {
	for _, a := range d.arenas {
		_ = a.Close() // It is mapped.
	}
}

func (d *director) direct(ctx context.Context) error {
	dismiss := d.raise(ctx)
	defer func() { _ = dismiss() }()
	lag := clockwatch(d.place.disk)
	err := d.begin(ctx)
	if err == nil {
		err = d.torment(ctx)
	}
	if err == nil {
		err = d.calm(ctx)
	}
	d.report.Lag = lag()
	if err != nil {
		return err
	}
	err = errors.Join(dismiss(), d.end())
	d.sum(&d.report)
	d.time(&d.report)
	if err != nil {
		return err
	}
	if d.Calm > 0 {
		if d.report.Left, err = d.place.left(ctx); err != nil {
			return err
		}
	}
	return d.check()
}

// torment does to all what the configuration says, for as long as it says.
func (d *director) torment(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.For)
	defer cancel()
	defer func(start time.Time) { d.report.Torment = time.Since(start).Round(time.Second) }(time.Now())
	var all sync.WaitGroup
	errs := make([]error, 3)
	all.Go(func() { errs[0] = every(ctx, d.KillEvery, 1, d.kill) })
	all.Go(func() { errs[1] = every(ctx, d.StopEvery, 4, d.stop) })
	all.Go(func() { errs[2] = every(ctx, d.HarmEvery, 1, d.harm) })
	all.Go(func() { d.watch(ctx, cancel) })
	all.Wait()
	return errors.Join(errs...)
}

// calm lets the servers and the processes recover, and then expects of all that
// they get in.
func (d *director) calm(ctx context.Context) error {
	if d.Calm == 0 {
		return nil
	}
	if err := d.place.healed(ctx); err != nil {
		return fmt.Errorf("the servers did not recover: %w", err)
	}
	sleep(ctx, time.Second+2*d.place.lease)
	lag := clockwatch(d.place.disk)
	before := d.holds()
	d.arenas[0].Calm.Store(1)
	sleep(ctx, d.Calm)
	d.report.CalmHolds = d.holds() - before
	d.report.CalmLag = lag()
	return nil
}

// every calls f about that often, up to so many at the same time, until it fails.
// What it is late with it does not make up for.
func every(ctx context.Context, pause time.Duration, hands int, f func() error) error {
	if pause == 0 {
		return nil
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(hands)
	for due := time.Now(); ; {
		due = due.Add(pause/2 + rand.N(pause))
		if late := time.Now().Add(-pause); due.Before(late) {
			due = late
		}
		if !sleep(ctx, time.Until(due)) {
			return all.Wait()
		}
		all.Go(f)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return ctx.Err() == nil
	}
}

// harm does one thing to a server or its network, and heals it.
func (d *director) harm() error {
	h := d.place.harms.pick()
	d.harming.Store(true)
	err := h.do()
	d.harming.Store(false)
	if errors.Is(err, errNobody) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	d.mu.Lock()
	d.report.Harms[h.harmKind]++
	d.mu.Unlock()
	return nil
}
