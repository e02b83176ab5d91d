package clockshift_test

import (
	"errors"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/distlock"
	"github.com/distlock/distlock-go/internal/clockshift"
	"github.com/distlock/distlock-go/internal/testenv"
)

// A server whose clock is set ahead takes all leases to have ended. No client can
// see that in time; its next renewal tells, which is due in a third of the lease,
// and the deadline if that does not come through. Tokens grow all the same.
func TestAClockSetAheadIsTold(t *testing.T) {
	const lease = 3 * time.Second
	clocks, err := clockshift.New(1)
	if err != nil {
		t.Fatal(err)
	}
	defer clocks.Close()
	server := testenv.NewRedis(t, testenv.RedisConfig{Env: clocks.All[0].Environ()})
	p, err := distlock.Open(t.Context(), server.URL()+"?lease=3s&claim=1s")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	lock := p.NewLock("l")
	var last uint64
	for _, shift := range []time.Duration{2 * time.Minute, -2 * time.Minute, 0} {
		h, err := lock.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if h.Token() <= last {
			t.Errorf("token %d after %d, with the clock off by %v", h.Token(), last, shift)
		}
		last = h.Token()
		clocks.All[0].Shift(shift)
		if shift < 0 {
			// What was given out before lives longer: that costs waiting and no hold.
			if err := h.Release(t.Context()); err != nil && !errors.Is(err, core.ErrLost) {
				t.Error(err)
			}
			continue
		}
		select {
		case <-h.Done():
			if !errors.Is(h.Err(), core.ErrLost) {
				t.Errorf("the hold ended with %v", h.Err())
			}
		case <-time.After(lease):
			t.Errorf("nobody was told that the clock was set to %v", shift)
		}
		_ = h.Release(t.Context()) // It is lost.
	}
}
