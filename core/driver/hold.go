package driver

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/internal/lease"
	"github.com/distlock/distlock-go/core/internal/queue"
)

// A hold is the one state machine of everything that is held:
//
//	held ── Release ───────────────> released
//	     └─ deadline, loss, Close ──> lost
//
// Both ends are final; whichever comes first closes done. A released hold gives
// its claim back in the caller's time, a lost one in the background: after a
// deadline the server may still keep the claim for the margin of the lease.
type hold struct {
	side  *side
	claim Claim
	since *since // or nil, if nobody wants to know

	// Guarded by Engine.mu.
	next, prev *hold  // in Engine.holds
	round      uint32 // of the engine's net when it began
	caught     bool   // it is not young any more

	begun     bool // its acquire succeeds, or has
	left      bool // the turn has ended, or must end when it comes
	releasing bool // Release, and not a loss, ended it
	settled   bool // the first Release has its result

	mu      sync.Mutex      // guards what follows, and the three before
	turn    *queue.Turn     // in the local line, or nil
	lease   *lease.Entry    // or nil
	err     error           // why it ended; nil: it is held
	done    chan struct{}   // made by the first call of Done
	freed   chan struct{}   // made by a Release that waits for the first one
	result  *core.Error     // of the first Release, if that failed
	handle  *handle         // while it is young
	cleanup runtime.Cleanup // of the handle, once it is not
}

// since is when a hold began, and the server's grant that it rests on.
type since struct {
	began time.Time
	chain chain // of local hand-overs
}

// begin begins the hold of a claim, which it gives back if that cannot be.
func (h *hold) begin() error {
	e, claim := h.side.engine, h.claim
	if e.cfg.Observer != nil || e.cfg.LocalHandoff.Count > 0 {
		now := e.clock.Now()
		h.since = &since{now, chain{began: now}}
	}
	if !e.register(h, nil) {
		e.background(func() { e.giveBack(claim.Release, h.event(core.EventGiveBackFailed)) })
		h.leave()
		return core.ErrClosed
	}
	if e.leases != nil {
		if leased, ok := claim.(Leased); ok {
			from, term := leased.Lease()
			h.care(e.leases.Add(h, from, term))
		}
	}
	if watched, ok := claim.(Watched); ok {
		watched.Watch(h.lose)
	}
	h.mu.Lock()
	err := h.err // The scheduler has just looked at the clocks.
	h.begun = err == nil
	h.mu.Unlock()
	if errors.Is(err, core.ErrClosed) {
		return core.ErrClosed
	} else if err != nil {
		// The grant was too old when it arrived. The loss is giving it back.
		return fmt.Errorf("%w: the grant came too late: %s", core.ErrUnavailable, errors.Unwrap(err).Error())
	}
	return nil
}

// register enters a hold into the engine's list, unless the engine is closed or
// provided, which is called only if it is not, says no.
func (e *Engine) register(h *hold, provided func() bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || provided != nil && !provided() {
		return false
	}
	e.work.Add(1)
	h.next = e.holds
	if h.next != nil {
		h.next.prev = h
	}
	e.holds = h
	e.spread(h)
	return true
}

// unregister takes a hold that has ended out of the list. Close no longer waits
// for it then, so whatever is left to do must have been counted before.
func (e *Engine) unregister(h *hold) {
	e.mu.Lock()
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		e.holds = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	}
	h.next, h.prev = nil, nil
	e.mu.Unlock()
	e.work.Done()
}

// care keeps the lease, unless the hold ended while the lease was being added.
func (h *hold) care(entry *lease.Entry) {
	h.mu.Lock()
	h.lease = entry
	over := h.err != nil
	h.mu.Unlock()
	if over {
		h.side.engine.leases.Remove(entry)
	}
}

// Err implements part of core.Handle. It asks a claim that can tell, and does
// not rely on the news having arrived.
func (h *hold) Err() error {
	if err := h.standing(); err != nil {
		return err
	}
	if checked, ok := h.claim.(Checked); ok {
		if cause := checked.Check(); cause != nil {
			h.lose(cause)
			return h.standing()
		}
	}
	return nil
}

// standing returns why the hold has ended, as far as the process can know by
// itself. It trusts the clock more than the timer that should have fired: after
// a pause of the process it is right at once.
func (h *hold) standing() error {
	h.mu.Lock()
	err, entry := h.err, h.lease
	h.mu.Unlock()
	if err != nil || entry == nil {
		return err
	}
	leases := h.side.engine.leases
	if !leases.Passed(entry) {
		return nil
	}
	h.lose(leases.Cause(entry))
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// Done implements part of core.Handle.
func (h *hold) Done() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.done == nil {
		h.done = make(chan struct{})
		if h.err != nil {
			close(h.done)
		}
	}
	return h.done
}

// end makes the transition out of held, once, and returns the lease to remove.
// It reports whether this call was the one.
func (h *hold) end(err error, releasing bool) (*lease.Entry, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return nil, false
	}
	h.err, h.releasing = err, releasing
	if h.done != nil {
		close(h.done)
	}
	return h.lease, true
}

// Lost implements lease.Holder.
func (h *hold) Lost(cause error) { h.lose(cause) }

// Renewed implements lease.Holder.
func (h *hold) Renewed(late time.Duration, err error) {
	if h.side.engine.cfg.Observer == nil {
		return
	}
	ev := h.event(core.EventRenewed)
	ev.Duration = late
	if err != nil {
		ev.Type, ev.Err = core.EventRenewFailed, err
	}
	h.side.engine.Observe(context.Background(), ev)
}

// lose ends the hold because the backend no longer vouches for it. The observer is
// not told of the loss of what nobody was told to hold.
func (h *hold) lose(cause error) {
	if !errors.Is(cause, core.ErrLost) {
		cause = fmt.Errorf("%w: %w", core.ErrLost, cause)
	}
	e := h.side.engine
	entry, first := h.end(&core.Error{Op: "hold", Name: h.side.name, Err: cause}, false)
	if !first {
		return
	}
	if entry != nil {
		e.leases.Remove(entry)
	}
	h.mu.Lock()
	begun := h.begun // It cannot begin any more.
	h.mu.Unlock()
	e.background(func() {
		if begun {
			ev := h.event(core.EventLost)
			ev.Err = cause
			e.Observe(context.Background(), ev)
		}
		e.giveBack(h.claim.Release, h.event(core.EventGiveBackFailed))
	})
	h.leave()
	e.unregister(h)
}

// leave ends the turn in the local line.
func (h *hold) leave() {
	h.mu.Lock()
	turn := h.turn
	h.turn, h.left = nil, true
	h.mu.Unlock()
	if turn != nil {
		turn.Leave()
	}
}

// event describes the hold. Its duration is the time since it began.
func (h *hold) event(t core.EventType) core.Event {
	ev := h.side.event(t)
	ev.Token = h.claim.Token()
	if h.since != nil {
		ev.Duration = h.side.engine.clock.Now().Sub(h.since.began)
	}
	return ev
}

// gone reports whether an error of Claim.Release means that the claim is no more.
func gone(err error) bool { return err == nil || errors.Is(err, core.ErrLost) }
