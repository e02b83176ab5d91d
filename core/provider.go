package core

import "io"

// A LockProvider makes locks by name. Making one does no I/O and cannot fail: a
// name or limit that is not valid is reported by the first acquire, with an
// error that matches [ErrInvalid].
//
// A name is any non-empty UTF-8 of up to 64 KiB. Names that differ in a single
// byte are different names, on every backend.
type LockProvider interface {
	NewLock(name string) Lock
}

// An RWLockProvider makes reader-writer locks by name, as a [LockProvider] makes
// locks.
type RWLockProvider interface {
	NewRWLock(name string) RWLock
}

// A SemaphoreProvider makes semaphores by name, as a [LockProvider] makes locks.
// The limit must be at least 1.
type SemaphoreProvider interface {
	NewSemaphore(name string, limit int) Semaphore
}

// A Provider is a backend: it offers every primitive. Ask for the narrowest
// interface that will do; most code needs only a [LockProvider].
//
// Close ends the provider. Waiting acquires and later ones fail with
// [ErrClosed]. Handles that are still held are lost, with ErrClosed as the
// cause, and the backend is told to free them. Close waits for whatever the
// provider still does in the background, and closes what the provider itself
// opened. Closing again does nothing.
type Provider interface {
	LockProvider
	RWLockProvider
	SemaphoreProvider
	io.Closer
}
