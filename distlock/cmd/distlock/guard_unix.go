//go:build unix

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
)

// A guardian is a second process of this program. It leads the process group of the
// command, and ends the group when distlock dies without a chance to do so
// itself (kill -9, the kernel short of memory): then nobody holds the lock any
// more, and the command must not go on without it.
//
// flock(1) has the command inherit the locked file instead; that works with
// files only, and keeps the lock for whatever the command leaves in the
// background. Linux could signal the command at the death of its parent, but not
// what the command has started.
//
// The guard learns of the death by the end of a pipe of which distlock has the
// other end: the kernel closes it as it closes the lock file, whatever the cause.
// Between the two and the signal the next holder may begin; that fraction of a
// millisecond is what fencing tokens are for.
type guardian struct {
	cmd  *exec.Cmd
	life *os.File // the end of the pipe that is closed with distlock
}

// guardName is what the guard is called in a list of processes, and how the
// program knows that it is the guard.
const guardName = "distlock-guard"

// startGuard returns when the guard is on duty.
func startGuard(o onLost, name string) (*guardian, error) {
	g, err := tryStartGuard(o, name)
	if err != nil {
		return nil, fmt.Errorf("cannot start the guard of the command: %w", err)
	}
	return g, nil
}

func tryStartGuard(o onLost, name string) (*guardian, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	theirs, life, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ready, theirReady, err := os.Pipe()
	if err != nil {
		_, _ = theirs.Close(), life.Close()
		return nil, err
	}
	defer ready.Close()
	g := &guardian{
		cmd: &exec.Cmd{
			Path: exe, Args: []string{guardName, string(o), name}, Env: []string{}, Dir: "/",
			Stdin: theirs, Stdout: theirReady,
			SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
		},
		life: life,
	}
	err = g.cmd.Start()
	_, _ = theirs.Close(), theirReady.Close()
	if err != nil {
		_ = life.Close()
		return nil, err
	}
	if _, err := io.ReadFull(ready, make([]byte, 1)); err != nil {
		g.end()
		return nil, fmt.Errorf("it ended at once: %w", err)
	}
	return g, nil
}

// tell tells the guard which process is the command, which may leave the group.
func (g *guardian) tell(command int) { _, _ = fmt.Fprint(g.life, command) }

func (g *guardian) pid() int { return g.cmd.Process.Pid }

// end takes the guard off duty, and waits for it.
func (g *guardian) end() {
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
	_ = g.life.Close()
}

// guard is the life of the guard, if this process is one. It gets the signals
// that are meant for the command, and leaves them to it.
func guard(args []string) bool {
	if len(args) != 3 || args[0] != guardName {
		return false
	}
	signal.Ignore(
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGALRM, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
	)
	if _, err := os.Stdout.Write([]byte{1}); err != nil {
		return true
	}
	told, _ := io.ReadAll(os.Stdin)
	if syscall.Getpgrp() != os.Getpid() {
		return true // Somebody else's group.
	}
	signals := []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT}
	if onLost(args[1]) == killOnLoss {
		signals = []syscall.Signal{syscall.SIGKILL}
	}
	command, err := strconv.Atoi(string(told))
	for _, sig := range signals {
		if err == nil {
			sendAstray(command, os.Getpid(), sig)
		}
		_ = syscall.Kill(0, sig)
	}
	return true
}
