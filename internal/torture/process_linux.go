package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// An actor is the part of the seats that one process takes, and who takes its
// place when it is killed. Whoever harms it holds the lock.
type actor struct {
	first, seats int

	mu sync.Mutex
	*process
}

// mask returns the seats as the judge has them.
func (a *actor) mask() uint64 { return (1<<a.seats - 1) << a.first }

// A process has been started, and waits for a line that says which seat is its
// first. Until then it takes no part, so that a kill costs the others nothing.
type process struct {
	cmd    *exec.Cmd
	record string // the file of its history
	orders io.WriteCloser
}

// raise keeps some processes standing by, until dismiss is called, which has all
// that do end by themselves, or until ctx ends.
func (d *director) raise(ctx context.Context) (dismiss func() error) {
	ctx, cancel := context.WithCancel(ctx)
	d.spares = make(chan *process, 4)
	var starting errgroup.Group
	for range 3 {
		starting.Go(func() error { return d.spawnMany(ctx) })
	}
	failed := make(chan error, 1)
	go func() {
		failed <- starting.Wait()
		close(d.spares)
	}()
	return sync.OnceValue(func() error {
		cancel()
		var errs []error
		for p := range d.spares {
			errs = append(errs, p.endUntold())
		}
		return errors.Join(append(errs, <-failed)...)
	})
}

func (d *director) spawnMany(ctx context.Context) error {
	for {
		p, err := d.spawn()
		if err != nil {
			return err
		}
		select {
		case d.spares <- p:
		case <-ctx.Done():
			return p.endUntold()
		}
	}
}

func (d *director) spawn() (*process, error) {
	d.mu.Lock()
	record := filepath.Join(d.Dir, fmt.Sprintf("history-%d", len(d.records)))
	d.records = append(d.records, record)
	d.mu.Unlock()
	job := Job{
		URL: d.place.url, Dir: d.Dir, History: record, Objects: d.Objects,
		Seats: d.Seats, Lease: d.place.lease, Bound: d.place.bound, Patience: d.Patience,
	}
	p := &process{record: record, cmd: exec.Command(d.Worker)}
	p.cmd.Env = append(os.Environ(), job.environ())
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if p.orders, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return p, p.cmd.Start()
}

// endUntold ends a process that was never told its seats.
func (p *process) endUntold() error {
	_ = p.orders.Close()
	return p.wait("a process that stood by")
}

// wait waits for a process that should end by itself, and has it say what it is
// at if it does not.
func (p *process) wait(name string) error {
	timer := time.AfterFunc(40*time.Second, func() { _ = p.cmd.Process.Signal(syscall.SIGQUIT) })
	defer timer.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// begin gives all seats to processes, and returns when the fight is under way.
func (d *director) begin(ctx context.Context) error {
	for i := range d.Processes {
		a := &actor{first: i * d.Seats, seats: d.Seats}
		if err := d.replace(a); err != nil {
			return err
		}
		d.actors = append(d.actors, a)
	}
	for deadline := time.Now().Add(30 * time.Second); d.holds() < uint64(d.Processes); {
		if time.Now().After(deadline) || !sleep(ctx, 5*time.Millisecond) {
			return errors.New("the fight has not begun")
		}
	}
	return nil
}

// replace gives the seats of an actor to a process that stands by.
func (d *director) replace(a *actor) error {
	p, ok := <-d.spares
	if !ok {
		return errors.New("no more processes could be started")
	}
	a.process = p
	_, err := fmt.Fprintln(p.orders, a.first)
	return err
}

// end has the processes end by themselves.
func (d *director) end() error {
	d.arenas[0].Stop.Store(1)
	var errs []error
	for i, a := range d.actors {
		errs = append(errs, a.wait(fmt.Sprint("process ", i)))
	}
	return errors.Join(errs...)
}
