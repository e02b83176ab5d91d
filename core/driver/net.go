package driver

import (
	"runtime"
	"time"
)

// The net under handles that are dropped: each handle has a cleanup, which
// releases the hold when the garbage collector finds that nobody has the handle
// any more. To set up a cleanup and to stop it costs as much as a tenth of an
// acquire and release, and most holds do not last long enough to need one. So a
// hold keeps its handle alive while it is young, and gets the cleanup when it is
// not; until then a handle that was dropped is not found, which nobody can tell
// from a garbage collector that runs a little later.

// youth is how long a hold is young: once at the least, and twice at the most.
const youth = 100 * time.Millisecond

// A net remembers which holds are young. Guarded by Engine.mu.
type net struct {
	works bool // see canCatch
	timer *time.Timer
	armed bool   // the timer is set, and counted in Engine.work
	round uint32 // counts the times it has gone off
}

// spread notes that h, which was just entered into the list of holds, is young.
// Its caller holds e.mu.
func (e *Engine) spread(h *hold) {
	if !e.net.works {
		return
	}
	h.round = e.net.round
	if e.net.armed {
		return
	}
	e.net.armed = true
	e.work.Add(1)
	e.arm()
}

func (e *Engine) arm() {
	if e.net.timer == nil {
		e.net.timer = time.AfterFunc(youth, e.grown)
	} else {
		e.net.timer.Reset(youth)
	}
}

// grown gives a cleanup to the handles of all holds that were young already when
// it was called the last time. The newest come first in the list of holds, and
// those that have theirs last.
func (e *Engine) grown() {
	var old []*hold
	e.mu.Lock()
	h := e.holds
	for ; h != nil && h.round == e.net.round; h = h.next {
	}
	young := e.holds != h
	for ; h != nil && !h.caught; h = h.next {
		h.caught = true
		old = append(old, h)
	}
	e.net.round++
	e.net.armed = young && !e.closed
	if e.net.armed {
		e.arm()
	}
	again := e.net.armed
	e.mu.Unlock()
	for _, h := range old {
		h.catch()
	}
	if !again {
		e.work.Done()
	}
}

// foldUp stops the timer when the engine closes.
func (e *Engine) foldUp() {
	e.mu.Lock()
	stopped := e.net.armed && e.net.timer.Stop()
	e.net.armed = e.net.armed && !stopped
	e.mu.Unlock()
	if stopped {
		e.work.Done()
	}
}

// catch gives the handle its cleanup, unless the hold has ended, and lets go of
// it.
func (h *hold) catch() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.cleanup = runtime.AddCleanup(h.handle, (*hold).abandon, h)
	}
	h.handle = nil
}

// canCatch reports whether cleanups may act. Those of a testing/synctest bubble
// may not: the runtime calls them outside of it, where touching a channel of the
// bubble is fatal. A bubble is known by its clock, which has no monotonic
// reading.
func canCatch() bool {
	now := time.Now()
	return now != now.Round(0) //nolint:revive // Equal would compare the time, and not whether it has such a reading.
}
