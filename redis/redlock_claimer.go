package redis

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// An elector takes one object in one mode by a majority. sides are the claimers
// of the single servers.
type elector struct {
	l     *RedLock
	kind  core.Kind
	name  string
	limit int
	sides []*claimer

	otherLimit atomic.Int64
}

var _ driver.Queuer = (*elector)(nil)

func (l *RedLock) claimer(kind core.Kind, name string, mode byte, limit int) *elector {
	e := &elector{l: l, kind: kind, name: name, limit: limit}
	for _, x := range l.peers {
		e.sides = append(e.sides, x.p.claimer(kind, name, mode, limit))
	}
	return e
}

// Claim implements driver.Claimer. The server at which others wait decides between
// those that try at the same time: who has its vote asks again, and who has not
// gives up. Servers that are slow, and not down, are given as long as a call to a
// single one.
func (e *elector) Claim(ctx context.Context) (driver.Claim, error) {
	n := e.election()
	patient := func() bool { return time.Since(n.begun) < e.l.opts.Timeout }
	for passed, b := 0, (*ballot)(nil); ; {
		if b != nil {
			b.withdrawn(ctx) // Its own votes would be in the way.
		}
		b = n.ballot()
		switch out := b.run(ctx, 100*time.Millisecond); {
		case out == won:
			claim, err := b.claim(ctx)
			if err == nil && n.passOn(n.series.base, claim) {
				return nil, core.ErrNotAcquired // Somebody was here before.
			}
			if err == nil || over(ctx, err) || !errors.Is(err, errRepeat) || !patient() {
				return claim, err
			}
		case out == ended:
			return nil, ctx.Err()
		case out == unavailable && (!b.slow() || !patient()):
			return nil, b.noMajority()
		case out == unavailable:
		case out == split && b.failedAt(b.arb) && passed+1 < len(e.sides):
			passed++ // The server that decides did not answer: let the next one do it.
		default:
			return nil, b.busy(ctx)
		}
	}
}

// busy returns the error that says who holds the object.
func (b *ballot) busy(ctx context.Context) error {
	b.mu.Lock()
	var ans answer
	side := b.arb
	for i := range b.votes {
		if v := &b.votes[i]; v.state == refused && (ans.holder == "" || i == b.arb) {
			ans, side = v.answer, i
		}
	}
	b.mu.Unlock()
	return b.n.e.sides[side].heldBy(ctx, ans)
}

// compareLimit tells the observer when somebody uses the semaphore with another
// limit, once for each that is seen.
func (e *elector) compareLimit(ctx context.Context, other int64) {
	if other == 0 || e.otherLimit.Swap(other) == other {
		return
	}
	e.l.engine.Observe(ctx, core.Event{
		Type: core.EventLimitMismatch, Kind: e.kind, Name: e.name,
		Err: errors.New("the limit is " + strconv.Itoa(e.limit) + " here and " + strconv.FormatInt(other, 10) + " elsewhere"),
	})
}
