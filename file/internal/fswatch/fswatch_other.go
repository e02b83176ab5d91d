//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package fswatch

import "errors"

// A Watcher cannot be had on this platform.
type Watcher struct{}

// A Watch cannot be had either.
type Watch struct{}

// New returns an error that matches errors.ErrUnsupported.
func New() (*Watcher, error) { return nil, errors.ErrUnsupported }

// Add returns an error that matches errors.ErrUnsupported.
func (w *Watcher) Add(int, string, func(Event)) (*Watch, error) {
	return nil, errors.ErrUnsupported
}

// Listen returns an error that matches errors.ErrUnsupported.
func (x *Watch) Listen(bool) error { return errors.ErrUnsupported }

// Remove does nothing.
func (x *Watch) Remove() {}

// Close does nothing.
func (w *Watcher) Close() error { return nil }

// TellsOfClose says that a close is told too, and so the death of a process. If it
// is not, whoever waits must look now and then.
const TellsOfClose = false
