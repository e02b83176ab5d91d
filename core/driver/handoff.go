package driver

import (
	"time"

	"github.com/distlock/distlock-go/core/internal/lease"
	"github.com/distlock/distlock-go/core/internal/queue"
)

// A chain counts the hand-overs within the process since the server granted the
// object.
type chain struct {
	began time.Time
	count int
}

// passOn gives the object to the next waiter of this process without asking the
// server, if that is allowed and somebody waits. The new hold has its own token;
// it takes over the lease as it stands, so that no moment is without care.
func (h *hold) passOn(entry *lease.Entry) bool {
	e := h.side.engine
	bound := e.cfg.LocalHandoff
	claim, ok := h.claim.(Successive)
	if bound.Count == 0 || !ok {
		return false
	}
	now, chain := e.clock.Now(), h.since.chain
	if chain.count >= bound.Count || now.Sub(chain.began) >= bound.For {
		return false
	}
	chain.count++
	h.mu.Lock()
	turn := h.turn
	h.mu.Unlock()
	heir := &hold{side: h.side, since: &since{now, chain}, begun: true}
	heir.handle = &handle{heir}
	passed := turn != nil && turn.PassOn(func() (any, bool) {
		ok := e.register(heir, func() (ok bool) {
			heir.claim, ok = claim.Succeed()
			return ok
		})
		if ok && entry != nil { // Before the heir wakes: it may pass on the lease at once.
			heir.care(e.leases.Inherit(heir, entry))
		}
		return heir.handle, ok
	})
	if !passed {
		return false
	}
	if watched, ok := heir.claim.(Watched); ok {
		watched.Watch(heir.lose)
	}
	e.unregister(h)
	return true
}

// adopt gives a hold that was passed on its turn in the local line. A hold that
// was lost on the way has left already.
func (h *hold) adopt(turn *queue.Turn) {
	h.mu.Lock()
	if !h.left {
		h.turn, turn = turn, nil
	}
	h.mu.Unlock()
	if turn != nil {
		turn.Leave()
	}
}
