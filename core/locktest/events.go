package locktest

import (
	"context"
	"sync"

	"github.com/distlock/distlock-go/core"
)

// events is the observer of a trial's providers.
type events struct {
	mu  sync.Mutex
	all []core.Event
}

// Observe implements core.Observer.
func (e *events) Observe(ctx context.Context, ev core.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
	if w, ok := ctx.Value(waiterKey{}).(*waiter); ok && ev.Type == core.EventWaiting {
		select {
		case w.queued <- struct{}{}:
		default:
		}
	}
}

// of returns the events about a name, of one type.
func (e *events) of(name string, typ core.EventType) []core.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []core.Event
	for _, ev := range e.all {
		if ev.Name == name && ev.Type == typ {
			found = append(found, ev)
		}
	}
	return found
}
