package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"github.com/distlock/distlock-go/distlock"
)

// A child is the command while it runs. Its method run is made of what the
// system offers.
type child struct {
	cmd     *exec.Cmd
	hold    distlock.Handle
	onLost  onLost
	signals chan os.Signal // that distlock gets

	told bool // that the lock was lost
}

// onLost is what to do with the command when the lock is lost.
type onLost string

// The choices.
const (
	killOnLoss   onLost = "kill"
	signalOnLoss onLost = "signal"
	warnOnLoss   onLost = "warn"
)

// String, Set and Type make it a flag.
func (o *onLost) String() string { return string(*o) }
func (o *onLost) Type() string   { return "kill|signal|warn" }
func (o *onLost) Set(s string) error {
	switch onLost(s) {
	case killOnLoss, signalOnLoss, warnOnLoss:
		*o = onLost(s)
		return nil
	}
	return errors.New("must be kill, signal or warn")
}

// lost says, once, that the lock was lost and what that means for the command.
func (c *child) lost(cause error, ended bool) {
	if c.told {
		return
	}
	c.told = true
	what := map[onLost]string{
		killOnLoss:   "killing the command",
		signalOnLoss: "telling the command to end",
		warnOnLoss:   "the command goes on unguarded",
	}[c.onLost]
	if ended {
		what = "the command had ended"
	}
	fmt.Fprintf(os.Stderr, "%s; %s\n", message(cause), what)
}

// lookUp finds a command as a shell does, and fails with the shell's codes.
func lookUp(command string) (string, error) {
	path, err := exec.LookPath(command)
	if err != nil {
		return "", cannotRun(command, err)
	}
	return path, nil
}

// cannotRun tells apart, as a shell does, what is not there and what cannot be
// run.
func cannotRun(command string, err error) error {
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return &exitError{code: codeNotFound, err: fmt.Errorf("%s: command not found", show(command))}
	case errors.Is(err, fs.ErrNotExist):
		return &exitError{code: codeNotFound, err: fmt.Errorf("%s cannot be run: %w", show(command), err)}
	}
	return &exitError{code: codeCannotRun, err: fmt.Errorf("%s cannot be run: %w", show(command), err)}
}
