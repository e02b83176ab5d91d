package locktest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/distlock/distlock-go/core"
)

// A failure tells of the holds that were lost by themselves, and of no others.
func TestLossesThatWereNotMeant(t *testing.T) {
	var e events
	lose := func(name string, err error) {
		e.Observe(context.Background(), core.Event{Type: core.EventLost, Kind: core.KindLock, Name: name, Token: 7, Err: err})
	}
	lose("closed", core.ErrClosed)
	if text := e.losses(); text != "" {
		t.Errorf("after a provider was closed: %q", text)
	}
	lose("late", errors.New("the lease has run out"))
	if text := e.losses(); !strings.Contains(text, `"late": the lease has run out`) {
		t.Errorf("after a lease ran out: %q", text)
	}
	e.expectLoss()
	if text := e.losses(); text != "" {
		t.Errorf("of a case that makes holds end: %q", text)
	}
}
