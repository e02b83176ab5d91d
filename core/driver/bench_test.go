package driver

import (
	"context"
	"testing"

	"github.com/distlock/distlock-go/core"
)

// instant is a claimer that costs nothing, so that what is measured is the
// engine.
type instant struct{ token uint64 }

func (c *instant) Claim(context.Context) (Claim, error) { c.token++; return c, nil }
func (c *instant) Token() uint64                        { return c.token }
func (c *instant) Release(context.Context) error        { return nil }

// BenchmarkPair is what the engine adds to an acquire and its release.
func BenchmarkPair(b *testing.B) {
	for _, bench := range []struct {
		name   string
		config Config
	}{
		{"Line", Config{Backend: "bench", NeverBlocks: true}},
		{"ServerQueue", Config{Backend: "bench", NeverBlocks: true, ServerQueue: true}},
		{"Timeouts", Config{Backend: "bench", ServerQueue: true}},
		{"Observed", Config{Backend: "bench", NeverBlocks: true, ServerQueue: true,
			Observer: core.ObserverFunc(func(context.Context, core.Event) {})}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			e, err := New(bench.config)
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			l := e.NewLock("a", new(instant))
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				h, err := l.TryAcquire(ctx)
				if err != nil {
					b.Fatal(err)
				}
				if err := h.Release(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
