package driver_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distlock/distlock-go/core/driver"
	"github.com/distlock/distlock-go/core/memory"
)

// With a short lease, a renewal that was just sent, or has just failed, must not
// count as due again only because the next attempt is near: that would never
// end.
func TestShortLeaseIsRenewedInMeasure(t *testing.T) {
	for name, down := range map[string]bool{"renewals succeed": false, "renewals fail": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int64
				p, err := memory.New(&memory.Options{
					Lease: driver.MinLease,
					Fault: func(_ context.Context, m memory.Message) error {
						if m.Op != memory.OpRenew || m.Reply {
							return nil
						}
						if sent.Add(1) > 1000 {
							panic("renewals without end")
						}
						if down {
							return errors.New("connection refused")
						}
						return nil
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				h, err := p.NewLock("a").Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(30 * driver.MinLease)
				if lost := h.Err() != nil; lost != down {
					t.Errorf("Err is %v", h.Err())
				}
				if n := sent.Load(); !down && (n < 60 || n > 120) || down && (n < 2 || n > 15) {
					t.Errorf("%d renewals were sent", n)
				}
			})
		})
	}
}
