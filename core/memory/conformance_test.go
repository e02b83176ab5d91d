package memory_test

import (
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
	"github.com/distlock/distlock-go/core/memory"
)

// TestConformance runs the suite on holds without a lease.
func TestConformance(t *testing.T) {
	locktest.Run(t, harness(0))
}

// TestConformanceWithLeases runs it on holds that must be renewed.
func TestConformanceWithLeases(t *testing.T) {
	h := harness(300 * time.Millisecond)
	h.Renewed = true
	locktest.Run(t, h)
}

func harness(lease time.Duration) locktest.Harness {
	server := memory.NewServer()
	return locktest.Harness{
		Open: func(t testing.TB, o core.Observer) core.Provider {
			p, err := memory.New(&memory.Options{Server: server, Lease: lease, Observer: o})
			if err != nil {
				t.Fatal(err)
			}
			return p
		},
		Lose: func(t testing.TB, p core.Provider, kind core.Kind, name string) {
			if _, err := p.(core.Breaker).Break(t.Context(), kind, name); err != nil {
				t.Fatal(err)
			}
		},
		Tokens: true,
		Fair:   true,
		Lease:  lease,
		Pause:  5 * time.Millisecond,
	}
}
