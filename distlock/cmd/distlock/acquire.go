package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/distlock/distlock-go/distlock"
)

// acquire takes the lock. A signal that arrives meanwhile ends the wait, and
// then the program, as if it had not been caught; the place in the queue, or a
// lock that was granted at that very moment, is given back first.
func (j *job) acquire(ctx context.Context, p distlock.Provider, signals <-chan os.Signal) (distlock.Handle, error) {
	if j.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, j.timeout, fmt.Errorf("--timeout %v", j.timeout))
		defer cancel()
	}
	waiting, cancel := context.WithCancel(ctx)
	var interrupted os.Signal
	var listener sync.WaitGroup
	listener.Go(func() {
		select {
		case interrupted = <-signals:
			cancel()
		case <-waiting.Done():
		}
	})
	h, err := j.obtain(waiting, p)
	cancel()
	listener.Wait()

	if sig, ok := interrupted.(syscall.Signal); ok {
		if err == nil {
			warn(h.Release(ctx))
		}
		return nil, endBy(sig)
	}
	if errors.Is(err, distlock.ErrNotAcquired) {
		busy := &exitError{code: j.busyCode, err: err}
		if j.quiet {
			busy.err = nil
		}
		return nil, busy
	}
	return h, err
}

// obtain tries once, to learn without any delay whether there is somebody to
// wait for, and then waits. A backend that is not ready may become so.
func (j *job) obtain(ctx context.Context, p distlock.Provider) (distlock.Handle, error) {
	lock, kind := j.object(p)
	h, err := lock.TryAcquire(ctx)
	busy := errors.Is(err, distlock.ErrNotAcquired)
	if j.try || !busy && !errors.Is(err, distlock.ErrUnavailable) {
		return h, err
	}
	if busy && !j.quiet {
		inspector, _ := p.(distlock.Inspector)
		notice := &notice{out: os.Stderr, name: j.name, kind: kind, inspector: inspector}
		defer notice.show(err)()
	}
	return lock.Acquire(ctx)
}

// warn tells of an error that changes nothing.
func warn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, message(err))
	}
}
