package redis

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/distlock/distlock-go/core/driver"
)

// Wait implements driver.Queuer.
func (e *elector) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	n := e.election()
	defer func() { n.leave() }()
	var trouble error // of the servers, if that is what is waited for now
	begun, pause := time.Now(), shortPause
	for {
		n.choose()
		b := n.ballot()
		outcome := b.run(ctx, n.patience())
		switch outcome {
		case won:
			claim, err := b.claim(ctx)
			if err == nil || over(ctx, err) || !errors.Is(err, errRepeat) {
				return claim, err
			}
			n.abandon()
			continue
		case ended:
			n.abandon()
			if trouble != nil {
				return nil, trouble
			}
			return nil, ctx.Err()
		case unavailable:
			trouble = b.noMajority()
			patient := errors.Is(trouble, errQuarantine) || b.slow() && time.Since(begun) < e.l.opts.Timeout
			if busy != nil && !patient {
				n.abandon()
				return nil, trouble
			}
			if !b.slow() || !e.l.peers[n.place].votes() {
				n.abandon() // Servers that are only slow do not cost the place.
			}
			if sleep(ctx, pause/2+rand.N(pause)) != nil {
				n.abandon()
				return nil, trouble
			}
			pause = min(2*pause, time.Second)
			continue
		}
		if b.contended() {
			trouble, pause = nil, shortPause
		}
		if busy != nil && b.contended() {
			busy(b.busy(ctx))
			busy = nil
		}
		if outcome == split && n.goesOn(b) {
			if err := sleep(ctx, n.pause()); err != nil {
				n.abandon()
				return nil, err
			}
			continue
		}
		if outcome == split {
			elsewhere := -1
			if n.push == 0 && b.has(n.place) {
				// The place has given its vote, and others hold a majority: they do not
				// know of this place, or did not when they came. Wait where they are.
				elsewhere = b.refuser(n.place)
			}
			n.abandon()
			n.place = elsewhere
			if n.place < 0 && sleep(ctx, rand.N(20*time.Millisecond)) != nil {
				return nil, ctx.Err()
			}
			continue
		}
		if err := n.await(ctx); err != nil {
			n.abandon()
			return nil, err
		}
	}
}
