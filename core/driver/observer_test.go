package driver

import (
	"context"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// An event that nobody wants costs nothing, and a hold that nobody observes
// allocates no more than one whose observer allocates nothing.
func TestAnUnsetObserverAllocatesNothing(t *testing.T) {
	e, err := New(Config{Backend: "test", NeverBlocks: true, ServerQueue: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() { e.Observe(ctx, anEvent()) }); n != 0 {
		t.Errorf("an event without an observer allocates %v times", n)
	}
}

func anEvent() core.Event {
	return core.Event{Type: core.EventAcquired, Kind: core.KindLock, Name: "a", Token: 42, Duration: time.Second, Err: core.ErrLost}
}

// BenchmarkObserve is what an event costs, without an observer and with one.
func BenchmarkObserve(b *testing.B) {
	for _, bench := range []struct {
		name     string
		observer core.Observer
	}{
		{"Unset", nil},
		{"Set", core.ObserverFunc(func(context.Context, core.Event) {})},
	} {
		b.Run(bench.name, func(b *testing.B) {
			e, err := New(Config{Backend: "bench", Observer: bench.observer})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				e.Observe(ctx, anEvent())
			}
		})
	}
}
