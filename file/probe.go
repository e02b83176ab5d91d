package file

import (
	"sync"
	"sync/atomic"
	"time"
)

// A probe looks, from time to time, whether the files that are held are still
// those of their names. It finds what the system does not tell: that a directory
// above was renamed or, where there are no events, anything. It also wakes all who
// wait, in case the system has not told of an unlock: one timer for all costs less
// than one for each. It runs only while something is held or waited for.
//
// A file that is only locked for a moment, now and then, is missed by it. Therefore
// whoever locks a file that was not looked at lately looks itself.
type probe struct {
	p       *Provider
	running atomic.Bool

	mu     sync.Mutex
	stop   chan struct{} // closed by close; nil: it has never run
	closed bool
	done   sync.WaitGroup
}

// start is called after a hold or a wait has begun.
func (b *probe) start() {
	if b.running.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.running.Load() {
		return
	}
	if b.stop == nil {
		b.stop = make(chan struct{})
	}
	b.running.Store(true)
	b.done.Go(b.run)
}

func (b *probe) run() {
	ticker := time.NewTicker(b.p.lately)
	defer ticker.Stop()
	woken := time.Now()
	for {
		select {
		case <-b.stop:
			return
		case <-ticker.C:
		}
		wake := time.Since(woken) >= wakeInterval
		if wake {
			woken = time.Now()
		}
		if b.look(true, wake) {
			continue
		}
		// Whoever comes now finds the probe at an end and starts another, or has
		// come before this second look.
		b.running.Store(false)
		if b.look(false, false) {
			b.start()
		}
		return
	}
}

// wakeInterval is how often whoever waits is woken in any case.
const wakeInterval = 10 * time.Second

// look reports whether anything is held or waited for. It verifies the files, and
// wakes those who wait, if told to.
func (b *probe) look(verify, wake bool) (busy bool) {
	for _, lf := range b.p.files.all() {
		lf.mu.Lock()
		held, waited := len(lf.claims) > 0, len(lf.sleepers) > 0
		if wake && waited {
			lf.wake()
		}
		lf.mu.Unlock()
		if held || waited {
			busy = true
			if verify {
				lf.verify()
			}
		}
		b.p.files.put(lf)
	}
	return busy
}

func (b *probe) close() {
	b.mu.Lock()
	if !b.closed && b.stop != nil {
		close(b.stop)
	}
	b.closed = true
	b.mu.Unlock()
	b.done.Wait()
}
