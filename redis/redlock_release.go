package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/distlock/distlock-go/core"
)

// Release implements driver.Claim. It returns when a majority of all servers is
// free of the hold, and among them, if it answers, the one that decides whose turn
// it is next; it goes on with the others in the background.
func (u *union) Release(ctx context.Context) error {
	u.begin()
	for {
		done, err := u.released()
		if done {
			return err
		}
		select {
		case <-u.free:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin sends the releases, once.
func (u *union) begin() {
	u.mu.Lock()
	first := !u.begun
	u.begun, u.over = true, true
	if u.timer != nil {
		u.timer.Stop()
	}
	votes := slices.Clone(u.votes)
	u.mu.Unlock()
	if !first {
		return
	}
	for i, v := range votes {
		if v != nil {
			u.e.l.background.Go(func() { u.giveBack(i, v) })
		}
	}
	if u.requests != nil {
		u.requests.undoOthers(nil)
	}
}

// enoughTries is after how many requests without an answer, each a few times its
// patience long, a release gives up waiting for a server.
const enoughTries = 3

// giveBack gives one vote back, in the background if its server does not answer.
func (u *union) giveBack(i int, v *vote) {
	l, x := u.e.l, u.e.l.peers[i]
	try := func(ctx context.Context) error {
		begun := time.Now()
		err := v.h.Release(ctx)
		ended := errors.Is(err, core.ErrLost)
		u.mu.Lock()
		v.gone = v.gone || ended
		v.freed = v.freed || err == nil || ended
		if v.err = err; errors.Is(err, context.DeadlineExceeded) {
			v.err = fmt.Errorf("no answer within %v", time.Since(begun).Round(time.Millisecond))
			v.tries++
		}
		v.tried = v.tried || v.tries == 0 || v.tries >= enoughTries
		u.mu.Unlock()
		u.changed()
		if ended {
			return nil
		}
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(4*x.patience(), l.opts.ReleaseTimeout))
	err := try(ctx)
	cancel()
	if err != nil {
		if !answered(err) {
			x.missed(err, errors.Is(err, context.DeadlineExceeded))
		}
		x.repeat(try)
	}
	u.e.sides[i].p.register.remove(v.h) // Also of a server that has died for good.
}

// released reports whether the outcome of the release is known, and returns it. A
// server is free of the hold when it has confirmed that, or is known to have given
// no vote; one that was asked for a vote and did not answer may have one. One that
// is down is of no use to whoever comes next, so it counts only when the others have
// been asked for as long as they are worth.
func (u *union) released() (done bool, err error) {
	arb := u.e.l.arbiter()
	stray := u.ballot.stray()
	u.mu.Lock()
	defer u.mu.Unlock()
	if v := u.votes[arb]; v != nil && !v.freed && v.err == nil {
		return false, nil
	}
	held, gone, kept, free, tried := 0, 0, 0, 0, true
	var errs []error
	for i, v := range u.votes {
		before := kept
		last := undo{begun: true, done: true}
		if v != nil {
			held++
			if v.gone {
				gone++
			}
			if last = (undo{begun: true, done: v.freed}); v.tried {
				last.err = v.err
			}
		}
		var asked undo
		if u.asked[i] != nil {
			asked = *u.asked[i]
		}
		for _, one := range []undo{last, stray[i], asked} {
			if one.begun && !one.done {
				kept++
				if tried = tried && one.err != nil; one.err != nil {
					// Not wrapped: what timed out was one request, and not the release.
					errs = append(errs, fmt.Errorf("%s: %v", u.e.l.peers[i].addr, one.err)) //nolint:errorlint // See above.
				}
				break
			}
		}
		if kept == before && (v != nil || u.e.l.peers[i].up()) {
			free++
		}
	}
	q := u.e.l.quorum
	switch {
	case free < q && !tried:
		return false, nil
	case len(u.votes)-kept >= q && held-gone < q:
		return true, lost("too few servers still had it")
	case len(u.votes)-kept >= q:
		return true, nil
	case tried && u.told:
		return true, nil
	case tried:
		// All have been asked. The background goes on asking, so this is told once.
		u.told = true
		return true, &TroubleError{NoMajority, "", joined(errs)}
	}
	return false, nil
}

// changed wakes a release that waits for more servers to be free.
func (u *union) changed() {
	select {
	case u.free <- struct{}{}:
	default:
	}
}
