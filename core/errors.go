package core

import (
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// The sentinels that the errors of every backend match, by [errors.Is].
var (
	// ErrNotAcquired means that the lock is held elsewhere: a Try method found
	// it busy, or a wait for its holder was ended by the context.
	ErrNotAcquired = errors.New("held elsewhere")

	// ErrLost means that a hold ended before it was released. Whatever it
	// guarded may have been touched by another holder.
	ErrLost = errors.New("lost")

	// ErrReleased is what [Handle.Err] returns after a release.
	ErrReleased = errors.New("released")

	// ErrClosed means that the provider was closed.
	ErrClosed = errors.New("provider is closed")

	// ErrDeadlock means that waiting would never end: the backend found a cycle
	// of waiters, and this one was chosen to give way.
	ErrDeadlock = errors.New("deadlock")

	// ErrInvalid means that an argument or an option is not valid.
	ErrInvalid = errors.New("invalid")

	// ErrUnavailable means that the backend could not be reached, or refuses to
	// serve; the error says why and what to do. It says nothing about who holds
	// the lock.
	ErrUnavailable = errors.New("backend is unavailable")
)

// An Error records a failed operation and the lock that it was for, as
// [io/fs.PathError] does for files. It prints as
//
//	distlock: acquire "invoice:42": held elsewhere
type Error struct {
	Op   string // "acquire", "hold", "release", "inspect", "break", "open" ...
	Name string // the name of the lock, or empty
	Err  error
}

// Error quotes the name and shortens a long one, so that a hostile name cannot
// forge or flood a log line.
func (e *Error) Error() string {
	if e.Name == "" {
		return "distlock: " + e.Op + ": " + e.Err.Error()
	}
	return "distlock: " + e.Op + " " + quoteName(e.Name) + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// quoteName returns name in Go syntax, of at most about 100 characters.
func quoteName(name string) string {
	const most = 80
	if len(name) <= most {
		return strconv.Quote(name)
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return fmt.Sprintf("%s... (%d bytes)", strconv.Quote(name[:cut]), len(name))
}

// A HeldError is the form that [ErrNotAcquired] takes where the backend knows
// who holds the lock. Find it with [errors.As].
type HeldError struct {
	Holder Holder // one of the holders
}

// Error names the holder.
func (e *HeldError) Error() string {
	s := "held by " + e.Holder.Owner.String()
	if !e.Holder.Since.IsZero() {
		s += " since " + e.Holder.Since.Format(time.RFC3339)
	}
	return s
}

// Is reports that a HeldError is an [ErrNotAcquired].
func (e *HeldError) Is(target error) bool { return target == ErrNotAcquired }
