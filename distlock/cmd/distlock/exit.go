package main

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/distlock/distlock-go/distlock"
)

// The exit codes; the package documentation says what they mean.
const (
	codeBusy        = 1
	codeUsage       = 64 // EX_USAGE
	codeUnavailable = 69 // EX_UNAVAILABLE
	codeSoftware    = 70 // EX_SOFTWARE
	codeLost        = 79 // the first that sysexits.h does not use
	codeCannotRun   = 126
	codeNotFound    = 127
	codeSignal      = 128
)

// An exitError ends the program with a code. Without an err it does so
// silently.
type exitError struct {
	code   int
	signal syscall.Signal // not 0: end as this signal ends a program, if that is possible
	err    error
}

// endBy is the end by a signal.
func endBy(sig syscall.Signal) *exitError {
	return &exitError{code: codeSignal + int(sig), signal: sig}
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exit ends the program as err says.
func exit(err error) {
	e, ok := errors.AsType[*exitError](err)
	if !ok {
		os.Exit(codeOf(err))
	}
	if e.signal != 0 {
		dieOf(e.signal)
	}
	os.Exit(e.code)
}

// codeOf returns the exit code for an error of the library. A wait that ended
// without anybody being known to hold the lock was a wait for the backend.
func codeOf(err error) int {
	switch {
	case errors.Is(err, distlock.ErrInvalid):
		return codeUsage
	case errors.Is(err, distlock.ErrLost):
		return codeLost
	case errors.Is(err, distlock.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return codeUnavailable
	}
	return codeSoftware
}
