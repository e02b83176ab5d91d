package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/internal/history"
)

// pick chooses an actor whom nobody else harms, if holder is set one who is
// inside something now, and locks it. If nobody is for a while, anybody will do.
func (d *director) pick(holder bool) *actor {
	for patience := time.Now().Add(100 * time.Millisecond); ; time.Sleep(100 * time.Microsecond) {
		holder = holder && time.Now().Before(patience)
		for _, i := range rand.Perm(len(d.actors)) {
			a := d.actors[i]
			if holder && d.inside()&a.mask() == 0 || !a.mu.TryLock() {
				continue
			}
			return a
		}
	}
}

// kill kills a process and puts another in its place. Nobody decides about who is
// inside while it is not known whether the victim still is. Where it has died is
// known when it is dead.
func (d *director) kill() error {
	d.mu.Lock()
	aimed := 2*d.report.KillsInside <= d.report.Kills
	d.mu.Unlock()
	a := d.pick(aimed)
	defer a.mu.Unlock()
	var over []func()
	for _, arena := range d.arenas {
		over = append(over, arena.Dooming())
	}
	at := history.Now()
	err := a.cmd.Process.Kill()
	_ = a.cmd.Wait()
	inside := d.inside()&a.mask() != 0
	err = errors.Join(err, d.noteKill(a, at))
	for i, arena := range d.arenas {
		arena.Kill(a.mask())
		over[i]()
	}
	if err != nil {
		return fmt.Errorf("kill a worker: %w", err)
	}
	d.mu.Lock()
	d.report.Kills++
	if inside {
		d.report.KillsInside++
	}
	d.mu.Unlock()
	return d.replace(a)
}

// stop stops a process for up to two leases, and has it go on. One that was aimed
// at and has got out before it stood still goes on at once, and does not count.
func (d *director) stop() error {
	d.mu.Lock()
	aimed := 2*d.report.StopsInside <= d.report.Stops
	d.mu.Unlock()
	for tries := 0; ; tries++ {
		a := d.pick(aimed)
		inside, err := d.halt(a, aimed && tries < 50)
		a.mu.Unlock()
		if errors.Is(err, errGotOut) {
			continue
		}
		if err != nil {
			return fmt.Errorf("stop a worker: %w", err)
		}
		d.mu.Lock()
		d.report.Stops++
		if inside {
			d.report.StopsInside++
		}
		d.mu.Unlock()
		return nil
	}
}

var errGotOut = errors.New("the process was not inside any more when it stood still")

// halt has an actor stand still for longer than the lease, if it is inside or
// need not be, and reports which. Afterwards it can look up when it was woken, and
// has a moment to do so before anything else is done to it.
func (d *director) halt(a *actor, only bool) (inside bool, err error) {
	if err := a.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return false, err
	}
	err = stands(a.cmd.Process.Pid)
	seats := d.inside() & a.mask()
	if err == nil && only && seats == 0 {
		err = errGotOut
	}
	if err == nil {
		lease := max(d.place.lease, 50*time.Millisecond)
		time.Sleep(lease + rand.N(lease))
		for i := range a.seats {
			d.arenas[0].Woke[a.first+i].Store(history.Now())
		}
	}
	err = errors.Join(err, a.cmd.Process.Signal(syscall.SIGCONT))
	for wait := 0; err == nil && d.inside()&seats != 0 && wait < 100; wait++ {
		time.Sleep(time.Millisecond)
	}
	return seats != 0, err
}

// stands waits until all threads of a child stand still, which is when the kernel
// tells the parent.
func stands(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// killAll leaves no process behind; those that have ended are none the worse.
func (d *director) killAll() {
	for _, a := range d.actors {
		if a.cmd.ProcessState == nil {
			_ = a.cmd.Process.Kill()
			_ = a.cmd.Wait()
		}
	}
}
