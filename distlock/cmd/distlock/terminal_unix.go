//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// A terminal is the controlling terminal, which processes outside its foreground
// group cannot read. It is lent to the command only when the command asks for
// it, by being stopped: in a pipeline it may be another process that reads it.
// All methods may be called on nil, which stands for no terminal.
type terminal struct {
	f    *os.File
	own  int // the process group of distlock
	lent bool
}

func openTerminal() *terminal {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	// Changing the foreground group from the background would stop distlock.
	signal.Ignore(syscall.SIGTTOU)
	return &terminal{f: f, own: syscall.Getpgrp()}
}

// foreground reports whether the terminal is distlock's.
func (t *terminal) foreground() bool {
	if t == nil {
		return false
	}
	id, err := unix.IoctlGetInt(int(t.f.Fd()), unix.TIOCGPGRP)
	return err == nil && id == t.own
}

// lend makes a group the foreground group, if the terminal is distlock's.
func (t *terminal) lend(group int) bool {
	if !t.foreground() {
		return false
	}
	t.lent = unix.IoctlSetPointerInt(int(t.f.Fd()), unix.TIOCSPGRP, group) == nil
	return t.lent
}

// reclaim undoes lend, and reports whether there was anything to undo.
func (t *terminal) reclaim() bool {
	if t == nil || !t.lent {
		return false
	}
	t.lent = false
	_ = unix.IoctlSetPointerInt(int(t.f.Fd()), unix.TIOCSPGRP, t.own)
	return true
}

func (t *terminal) close() {
	if t != nil {
		t.reclaim()
		_ = t.f.Close()
	}
}
