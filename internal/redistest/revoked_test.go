//go:build unix

package redistest

import (
	"errors"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// A right that is taken away for a while, for one command that a renewal needs, is
// told as what it is. It is no loss.
func TestARightIsRevokedWhileHeld(t *testing.T) {
	t.Parallel()
	for right, lock := range map[string]func(core.Provider) core.Lock{
		"get":    func(p core.Provider) core.Lock { return p.NewLock("x") },
		"zscore": func(p core.Provider) core.Lock { return p.NewSemaphore("x", 2) },
	} {
		t.Run(right, func(t *testing.T) {
			t.Parallel()
			server := start(t, testenv.RedisConfig{})
			c := admin(t, server)
			setUser(t, c, append([]string{"locker", "on", ">pw"}, redis.ACL("", false)...))
			var events log
			o := lenient()
			o.Lease, o.Observer = 9*time.Second, &events
			h := acquire(t, lock(open(t, withUser(t, server.URL(), "locker", "pw"), o)))
			setUser(t, c, []string{"locker", "-" + right})
			eventually(t, "a renewal fails, or the hold is lost", 15*time.Second, func() bool {
				return events.saw(core.EventRenewFailed, core.EventLost)
			})
			setUser(t, c, []string{"locker", "+" + right})
			for _, e := range events.of(core.EventRenewFailed) {
				var trouble *redis.TroubleError
				if !errors.As(e.Err, &trouble) || trouble.Trouble != redis.NoPermission {
					t.Errorf("the observer is told: %v", e.Err)
				}
			}
			renewed := len(events.of(core.EventRenewed))
			eventually(t, "the hold is renewed", 10*time.Second, func() bool {
				return h.Err() != nil || len(events.of(core.EventRenewed)) > renewed
			})
			if err := h.Err(); err != nil {
				t.Fatalf("the hold is lost: %v", err)
			}
			release(t, h)
		})
	}
}
