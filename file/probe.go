package file

import (
	"sync"
	"sync/atomic"
	"time"
)

// A probe looks, from time to time, whether the files that are held are still
// those of their names. It finds what the system does not tell: that a directory
// above was renamed or, where there are no events, anything. It runs only while
// something is held.
type probe struct {
	p       *Provider
	running atomic.Bool

	mu     sync.Mutex
	stop   chan struct{} // closed by close; nil: it has never run
	closed bool
	done   sync.WaitGroup
}

// start is called after a hold has begun.
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
	ticker := time.NewTicker(b.p.opts.CheckInterval)
	defer ticker.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-ticker.C:
		}
		if b.look(true) {
			continue
		}
		// A hold that begins now finds the probe at an end and starts another, or
		// has begun before this second look.
		b.running.Store(false)
		if b.look(false) {
			b.start()
		}
		return
	}
}

// look reports whether anything is held, and verifies what is.
func (b *probe) look(verify bool) (held bool) {
	for _, lf := range b.p.files.all() {
		lf.mu.Lock()
		some := len(lf.claims) > 0
		lf.mu.Unlock()
		if some {
			held = true
			if verify {
				lf.verify()
			}
		}
		b.p.files.put(lf)
	}
	return held
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
