package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/history"
	"github.com/distlock/distlock-go/internal/judge"
)

// A Config says how to torture.
type Config struct {
	Worker    string // the program of a process, which calls WorkIfTold
	Dir       string // an empty directory
	Processes int
	Seats     int // goroutines of each
	Objects   []Object

	For       time.Duration // how long the torment lasts
	Calm      time.Duration // how long everybody must get in after it; 0: that is not asked
	KillEvery time.Duration // a process is killed, about; 0: none
	StopEvery time.Duration // a process is stopped for longer than the lease, about; 0: none
	HarmEvery time.Duration // a server or its network is harmed, about; 0: never
}

// A director has a torture under way.
type director struct {
	Config
	place  *place
	arenas []*judge.Arena
	actors []*actor
	report Report

	mu      sync.Mutex
	records []string // of what the processes did and saw
}

// An actor is a process that fights, and who takes its place when it is killed.
// Whoever harms it holds the lock.
type actor struct {
	mu  sync.Mutex
	job Job
	cmd *exec.Cmd
}

// Torture starts the servers of a backend, tortures, and reports. An error is one
// of the torture itself; what it has found is the report's.
func Torture(ctx context.Context, backend string, cfg Config) (rep Report, err error) {
	p, err := open(ctx, backend, cfg.Dir)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if len(p.harms) == 0 {
		cfg.HarmEvery = 0
	}
	return run(ctx, p, cfg.complete())
}

// complete fills in what is usual: 64 seats on six objects.
func (cfg Config) complete() Config {
	if cfg.Processes == 0 {
		cfg.Processes, cfg.Seats = 8, 8
	}
	if cfg.Objects == nil {
		for _, name := range []string{"a", "b"} {
			cfg.Objects = append(cfg.Objects,
				Object{core.KindLock, name, 1}, Object{core.KindRWLock, name, 1}, Object{core.KindSemaphore, name, 3})
		}
	}
	return cfg
}

func run(ctx context.Context, p *place, cfg Config) (Report, error) {
	d := &director{Config: cfg, place: p, report: Report{Place: p.name, Harms: map[string]int{}}}
	for _, o := range cfg.Objects {
		a, err := o.arena(cfg.Dir)
		if err != nil {
			return d.report, err
		}
		d.arenas = append(d.arenas, a)
	}
	defer d.killAll()
	for i := range cfg.Processes {
		d.actors = append(d.actors, &actor{job: Job{
			URL: p.url, Dir: cfg.Dir, Objects: cfg.Objects,
			First: i * cfg.Seats, Seats: cfg.Seats, Lease: p.lease, Bound: p.bound,
		}})
		if err := d.start(d.actors[i]); err != nil {
			return d.report, err
		}
	}
	err := d.direct(ctx)
	return d.report, err
}

func (d *director) direct(ctx context.Context) error {
	if err := d.torment(ctx); err != nil {
		return err
	}
	if err := d.calm(ctx); err != nil {
		return err
	}
	err := d.end()
	d.sum()
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
	var kills, stops, harms error
	var all sync.WaitGroup
	all.Go(func() { kills = every(ctx, d.KillEvery, d.kill) })
	all.Go(func() { stops = every(ctx, d.StopEvery, d.stop) })
	all.Go(func() { harms = every(ctx, d.HarmEvery, d.harm) })
	all.Go(func() { d.watch(ctx) })
	all.Wait()
	return errors.Join(kills, stops, harms)
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
	before := d.holds()
	d.arenas[0].Calm.Store(1)
	sleep(ctx, d.Calm)
	d.report.CalmHolds = d.holds() - before
	return nil
}

// every calls f about that often, until it fails.
func every(ctx context.Context, pause time.Duration, f func() error) error {
	for pause > 0 && sleep(ctx, pause/2+rand.N(pause)) {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// watch finds the longest time in which nobody got in anywhere.
func (d *director) watch(ctx context.Context) {
	seen, since := d.holds(), time.Now()
	for sleep(ctx, 5*time.Millisecond) {
		now := d.holds()
		if now != seen {
			seen, since = now, time.Now()
		}
		d.report.Gap = max(d.report.Gap, time.Since(since))
	}
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

// pick chooses an actor whom nobody else harms, every other time one who is
// inside, and locks it.
func (d *director) pick() *actor {
	for first := rand.IntN(2) == 0; ; first = false {
		for _, i := range rand.Perm(len(d.actors)) {
			a := d.actors[i]
			if first && d.inside()&a.seats() == 0 || !a.mu.TryLock() {
				continue
			}
			return a
		}
		time.Sleep(time.Millisecond)
	}
}

// kill kills a process and starts another in its place. Nobody decides about who
// is inside while it is not known whether the victim still is.
func (d *director) kill() error {
	a := d.pick()
	defer a.mu.Unlock()
	seats := a.seats()
	if d.inside()&seats != 0 {
		d.report.KillsInside++
	}
	var over []func()
	for _, arena := range d.arenas {
		over = append(over, arena.Dooming())
	}
	at := history.Now()
	err := a.cmd.Process.Kill()
	_ = a.cmd.Wait()
	err = errors.Join(err, d.noteKill(a, at))
	for i, arena := range d.arenas {
		arena.Kill(seats)
		over[i]()
	}
	if err != nil {
		return fmt.Errorf("kill a worker: %w", err)
	}
	d.report.Kills++
	return d.start(a)
}

// stop stops a process for up to three leases, and has it go on.
func (d *director) stop() error {
	a := d.pick()
	defer a.mu.Unlock()
	d.report.Stops++
	if err := a.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	lease := max(d.place.lease, 50*time.Millisecond)
	time.Sleep(lease + rand.N(2*lease))
	return a.cmd.Process.Signal(syscall.SIGCONT)
}

// harm does one thing to a server or its network, and heals it.
func (d *director) harm() error {
	h := d.place.harms[rand.IntN(len(d.place.harms))]
	d.report.Harms[h.name]++
	if err := h.do(); err != nil {
		return fmt.Errorf("%s: %w", h.name, err)
	}
	return nil
}

// end has the processes end by themselves.
func (d *director) end() error {
	d.arenas[0].Stop.Store(1)
	var errs []error
	for i, a := range d.actors {
		timer := time.AfterFunc(40*time.Second, func() { _ = a.cmd.Process.Signal(syscall.SIGQUIT) })
		if err := a.cmd.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("process %d: %w", i, err))
		}
		timer.Stop()
	}
	return errors.Join(errs...)
}

// killAll leaves no process behind; those that have ended are none the worse.
func (d *director) killAll() {
	for _, a := range d.actors {
		if a.cmd != nil && a.cmd.ProcessState == nil {
			_ = a.cmd.Process.Kill()
			_ = a.cmd.Wait()
		}
	}
}

func (a *actor) seats() uint64 { return (1<<a.job.Seats - 1) << a.job.First }

func (d *director) start(a *actor) error {
	d.mu.Lock()
	a.job.History = filepath.Join(d.Dir, fmt.Sprintf("history-%d", len(d.records)))
	d.records = append(d.records, a.job.History)
	d.mu.Unlock()
	a.cmd = exec.Command(d.Worker)
	a.cmd.Env = append(os.Environ(), a.job.environ())
	a.cmd.Stderr = os.Stderr
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return a.cmd.Start()
}
