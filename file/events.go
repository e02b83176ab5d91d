package file

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/fswatch"
)

// An events is the provider's one source of what happens to its files. It is
// opened when it is first needed, because a user may have few of them.
type events struct {
	p    *Provider
	late sync.WaitGroup // of what was heard; begun by the goroutine of the watcher

	mu       sync.Mutex
	watcher  *fswatch.Watcher
	again    time.Time // not to be tried before
	degraded bool
	closed   bool
}

// pause is how long to do without events after the system has refused to tell.
const eventsPause = 5 * time.Second

// watch has a file watched, and returns nil if that cannot be. Waiters then poll,
// and losses are found by the probe.
func (e *events) watch(lf *lockfile) *fswatch.Watch {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.p.opts.Polling || time.Now().Before(e.again) {
		return nil
	}
	watch, err := e.add(lf)
	switch {
	case err != nil:
		e.again = time.Now().Add(eventsPause)
		if !e.degraded && !e.none(err) {
			e.degraded = true
			e.tell(core.EventDegraded, fmt.Errorf("waiting by polling: %w", err))
		}
	case e.degraded:
		e.degraded = false
		e.tell(core.EventRecovered, nil)
	}
	return watch
}

func (e *events) add(lf *lockfile) (*fswatch.Watch, error) {
	if remote, err := e.p.folder.use(); err == nil && remote != "" {
		return nil, fmt.Errorf("a file system of type %s does not tell of what other machines do", remote)
	}
	if e.watcher == nil {
		w, err := fswatch.New()
		if err != nil {
			return nil, err
		}
		e.watcher = w
	}
	return watchFile(e.watcher, lf.f, lf.event)
}

// none reports whether this platform has no events at all: there, polling is the
// ordinary way.
func (e *events) none(err error) bool { return errors.Is(err, errors.ErrUnsupported) }

// tell tells the observer, which must not be called with a mutex held.
func (e *events) tell(t core.EventType, err error) {
	e.p.background.Go(func() {
		e.p.engine.Observe(context.Background(), core.Event{Type: t, Err: err})
	})
}

// close ends the watching, and waits until all that was heard was seen to. Files may be
// closed afterwards only.
func (e *events) close() error {
	e.mu.Lock()
	w := e.watcher
	e.watcher, e.closed = nil, true
	e.mu.Unlock()
	if w == nil {
		return nil
	}
	err := w.Close()
	e.late.Wait() // Nobody begins anything any more.
	return err
}
