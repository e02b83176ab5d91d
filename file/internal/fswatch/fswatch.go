// Package fswatch tells of what happens to open files: that one may have been
// unlocked, or removed, renamed or replaced. It is made for lock files: a file
// that nobody waits for causes no events by being locked and unlocked.
package fswatch

// An Event says what may have happened to a file. Events are hints: they can
// come without a cause, and be late, and several may be told as one.
type Event uint8

// The events. Both may come at once.
const (
	Freed   Event = 1 << iota // somebody has unlocked or closed it, or rung its bell
	Changed                   // it may have been removed, renamed or replaced
)
