package locktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/distlock/distlock-go/core"
)

// events is the observer of a trial's providers.
type events struct {
	mu  sync.Mutex
	all []core.Event

	lossesMeant bool // by the case
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

// expectLoss is called before holds are made to end: other holds of the same
// provider may end with them.
func (e *events) expectLoss() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lossesMeant = true
}

// losses tells of holds that were lost although the case has not made them end.
func (e *events) losses() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var text strings.Builder
	for _, ev := range e.all {
		if ev.Type == core.EventLost && !e.lossesMeant && !errors.Is(ev.Err, core.ErrClosed) {
			fmt.Fprintf(&text, "\n\tLost by itself, after %v: the hold with the token %d on %s %q: %v", ev.Duration, ev.Token, ev.Kind, ev.Name, ev.Err)
		}
	}
	return text.String()
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
