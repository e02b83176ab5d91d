package torture

import (
	"context"
	"sync"
	"time"

	"github.com/distlock/distlock-go/internal/history"
)

// tick is how often a process looks whether the machine lets it run.
const tick = 5 * time.Millisecond

// A pulse knows for how long the machine did not let a process run: what somebody
// sleeps beyond its tick, who has nothing else to do. A process that was stopped did
// not run either.
type pulse struct {
	mu   sync.Mutex
	last int64 // when it was felt, by history.Now
	lost int64 // nanoseconds until then
	ran  moment
}

// A moment is a time, and how much the process had lost until then.
type moment struct{ at, lost int64 }

// since is how long the process has run between two moments.
func (m moment) since(o moment) int64 { return m.at - m.lost - (o.at - o.lost) }

// beat keeps the pulse until ctx ends; woke says when the process was last woken.
func (p *pulse) beat(ctx context.Context, woke func() int64) {
	for {
		p.mu.Lock()
		m := p.at(history.Now())
		if woke() > p.last && p.last > 0 {
			p.ran = m
		}
		p.last, p.lost = m.at, m.lost
		p.mu.Unlock()
		if !sleep(ctx, tick) {
			return
		}
	}
}

// at needs p.mu.
func (p *pulse) at(now int64) moment {
	if p.last == 0 {
		return moment{at: now}
	}
	return moment{now, p.lost + max(0, now-p.last-int64(tick))}
}

// now returns the present moment.
func (p *pulse) now() moment {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at(history.Now())
}

// woken returns when the process first ran after it was last woken.
func (p *pulse) woken() moment {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ran
}
