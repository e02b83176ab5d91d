//go:build unix

package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// A group is the process group of the command: the command, whatever it has
// started, and the guard.
//
// One goroutine does everything about it, so that no signal can be sent once the
// command has been waited for and its number may belong to somebody else.
type group struct {
	*child
	id       int
	terminal *terminal // or nil
	wants    bool      // the terminal, for which it was stopped
}

// run starts the command in a process group of its own and waits for it,
// passing on signals and doing what is to be done when the lock is lost. The
// error is an exitError, or nil if the command succeeded.
func (c *child) run() error {
	changes := make(chan os.Signal, 1) // of the command's state; one may stand for several
	signal.Notify(changes, syscall.SIGCHLD)
	defer signal.Stop(changes)
	signal.Notify(c.signals, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT)

	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var guard *guardian
	if c.onLost != warnOnLoss {
		var err error
		if guard, err = startGuard(c.onLost, c.hold.Name()); err != nil {
			return err
		}
		defer guard.end()
		c.cmd.SysProcAttr.Pgid = guard.pid()
	}
	if err := c.cmd.Start(); err != nil {
		return cannotRun(c.cmd.Args[0], err)
	}
	if guard != nil {
		guard.tell(c.cmd.Process.Pid)
	}
	g := &group{child: c, id: c.cmd.SysProcAttr.Pgid, terminal: openTerminal()}
	if g.id == 0 {
		g.id = c.cmd.Process.Pid
	}
	defer g.terminal.close()
	return g.watch(changes)
}

// watch is the life of the command.
func (g *group) watch(changes <-chan os.Signal) error {
	lost := g.hold.Done()
	for {
		select {
		case <-changes:
		case sig := <-g.signals:
			g.pass(sig.(syscall.Signal))
		case <-lost:
			lost = nil
			g.end()
		}
		status, changed, err := g.poll()
		switch {
		case err != nil:
			return err
		case !changed:
		case status.Exited(), status.Signaled():
			return outcome(status)
		case status.Stopped():
			g.stopped(status.StopSignal())
		}
	}
}

// poll asks, without waiting, whether the command has ended or stopped.
func (g *group) poll() (status syscall.WaitStatus, changed bool, err error) {
	for {
		pid, err := syscall.Wait4(g.cmd.Process.Pid, &status, syscall.WNOHANG|syscall.WUNTRACED, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		return status, err == nil && pid != 0, os.NewSyscallError("wait4", err)
	}
}

// pass passes a signal on to the group.
func (g *group) pass(sig syscall.Signal) {
	if sig == syscall.SIGCONT {
		g.resume()
		return
	}
	g.send(sig)
}

// send sends a signal to the group, and to the command if it has left that. It fails
// only if there is nobody left, which the next poll will find.
func (g *group) send(sig syscall.Signal) {
	_ = syscall.Kill(-g.id, sig)
	sendAstray(g.cmd.Process.Pid, g.id, sig)
}

// sendAstray sends a signal to a command that has left its process group: to the group
// that it leads now, as timeout(1) and setsid(1) do, or to it alone if it has joined
// one of others.
func sendAstray(command, group int, sig syscall.Signal) {
	switch now, err := syscall.Getpgid(command); {
	case err != nil || now == group:
	case now == command:
		_ = syscall.Kill(-command, sig)
	default:
		_ = syscall.Kill(command, sig)
	}
}

// end does what is to be done when the lock is lost, and then says so: nobody need be
// reading that. A stopped process gets SIGTERM only once it goes on.
func (g *group) end() {
	cause := g.hold.Err()
	defer g.lost(cause, false)
	switch g.onLost {
	case killOnLoss:
		g.send(syscall.SIGKILL)
	case signalOnLoss:
		g.send(syscall.SIGTERM)
		g.send(syscall.SIGCONT)
	}
}

// stopped does what a shell does when its job stops. One that wants the terminal
// gets it, if it is distlock's to give. Otherwise distlock stops too, so that
// the shell it was started from sees a stopped job. A command that somebody has
// stopped by SIGSTOP is left alone.
func (g *group) stopped(by syscall.Signal) {
	g.wants = by == syscall.SIGTTIN || by == syscall.SIGTTOU
	switch {
	case by == syscall.SIGSTOP:
	case g.wants && g.terminal.foreground():
		g.resume()
	default:
		g.wants = g.terminal.reclaim() || g.wants
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
}

// resume continues the group after a stop, with the terminal if it wants it. The
// lock may have been lost while distlock was stopped: Err looks at the clock,
// before any timer has run.
func (g *group) resume() {
	if g.hold.Err() != nil {
		g.end()
	}
	if g.wants {
		g.wants = !g.terminal.lend(g.id)
	}
	g.send(syscall.SIGCONT)
}

// outcome is what the end of the command means for distlock.
func outcome(status syscall.WaitStatus) error {
	switch {
	case status.Signaled():
		return endBy(status.Signal())
	case status.ExitStatus() != 0:
		return &exitError{code: status.ExitStatus()}
	}
	return nil
}
