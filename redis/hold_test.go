package redis

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A hold that cannot be given back, because the server is down for longer than that
// is tried, leaves nothing in the process.
func TestAHoldThatIsNotGivenBackIsForgotten(t *testing.T) {
	p := nowhere(t, &Options{Timeout: 50 * time.Millisecond})
	c := p.claimer(core.KindLock, "a", 'w', 1)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, ctx := range map[string]context.Context{"refused": t.Context(), "cancelled": over} {
		a := c.attempt(true)
		claim, err := c.granted(&a, nil, grant{fence: 1, from: time.Now(), term: time.Minute})
		if err != nil || p.register.find(a.seq) == nil {
			t.Fatalf("%s: the hold is not known: %v", name, err)
		}
		if err := claim.Release(ctx); err == nil || errors.Is(err, core.ErrLost) {
			t.Errorf("%s: a release without a server: %v", name, err)
		}
		if p.register.find(a.seq) != nil {
			t.Errorf("%s: the hold is still in the register", name)
		}
	}
}
