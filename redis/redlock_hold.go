package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A union is a hold: the votes of a majority, and of whatever other server could
// be had besides.
type union struct {
	e     *elector
	fence uint64
	place int64 // the slot of a semaphore

	ballot *ballot

	mu    sync.Mutex
	n     *election
	votes []*vote // by server; nil: none
	asked []undo  // by server: the last request for a vote that was missing
	over  bool    // it was released, so no vote may join
	begun bool    // the releases were sent
	told  bool    // that too few servers have confirmed them
	lose  func(error)
	cause error         // why a vote ended last
	end   error         // why too few are left
	timer *time.Timer   // when the votes that are left expire; nil while none has ended
	free  chan struct{} // of capacity 1: a vote was given back
}

// A vote is the hold on one server.
type vote struct {
	h     *hold
	until time.Time // not after its lease ends
	from  time.Time // when the lease began, at the latest
	gone  bool      // the server says that it has ended
	freed bool      // it was given back, or had ended
	tries int       // of its release without an answer in time
	tried bool      // its release has failed
	err   error     // of the last try
}

var (
	_ driver.Leased  = (*union)(nil)
	_ driver.Watched = (*union)(nil)
	_ driver.Checked = (*union)(nil)
)

// renewed takes in that the server has begun a lease after from. Answers may
// overtake each other: the lease only grows.
func (v *vote) renewed(from time.Time, lease time.Duration) {
	if from.After(v.from) {
		v.from, v.until = from, from.Add(lease)
	}
}

// vote makes a vote of a grant. From now on messages about the attempt find it.
func (e *elector) vote(i int, a attempt, ans answer, from time.Time) *vote {
	side := e.sides[i]
	h := &hold{c: side, seq: a.seq, token: a.token, fence: ans.fence, from: from, term: e.l.opts.Lease}
	side.p.register.add(h)
	return &vote{h: h, from: from, until: from.Add(e.l.opts.Lease)}
}

// win makes the hold of a ballot that was won. The waiter's attempt, if it was not
// granted in time, is taken back. Its caller holds b.mu.
func (b *ballot) win() {
	e := b.n.e
	u := &union{e: e, n: b.n, ballot: b, place: b.slot, votes: make([]*vote, len(b.votes)), asked: make([]undo, len(b.votes)), free: make(chan struct{}, 1)}
	for i := range b.votes {
		v := &b.votes[i]
		if v.state == granted && (!b.slots || v.slot == b.slot) {
			u.votes[i] = e.vote(i, v.attempt, v.answer, v.from)
			u.listen(i, u.votes[i])
		} else if v.state == granted || b.waits(i) && v.call != nil {
			b.takeBack(i)
		}
	}
	b.hold = u
}

// claim returns the hold of a ballot that was won, once its token is safe and if
// enough of its lease is left.
func (b *ballot) claim(ctx context.Context) (driver.Claim, error) {
	u := b.hold
	if err := u.settle(ctx); err != nil {
		u.e.l.engine.GiveBack(u.Release)
		return nil, err
	}
	from, term := u.Lease()
	if left := time.Until(from.Add(term)); left < u.e.l.opts.Lease/2 {
		u.e.l.engine.GiveBack(u.Release)
		return nil, &TroubleError{NoMajority, "", fmt.Errorf("the votes took so long that only %v of a lease of %v is left", left.Round(time.Millisecond), u.e.l.opts.Lease)}
	}
	return u, nil
}

// listen has the union hear of it when a server says that the vote has ended.
func (u *union) listen(i int, v *vote) {
	v.h.mu.Lock()
	v.h.lose = func(cause error) { u.bereaved(i, v, cause) }
	end := v.h.end
	v.h.mu.Unlock()
	if end != nil {
		u.e.l.background.Go(func() { u.bereaved(i, v, end) })
	}
}

// bereaved takes in that a vote has ended. The hold is lost when those that are
// left are no majority. Once the hold is being released this may be news of that,
// by a renewal that was under way; the release itself tells what it found.
func (u *union) bereaved(i int, v *vote, cause error) {
	u.mu.Lock()
	if u.over {
		u.mu.Unlock()
		return
	}
	v.gone, v.freed, u.cause = true, true, cause
	u.watch()
	lose, end := u.lose, u.end
	u.mu.Unlock()
	u.e.sides[i].p.register.remove(v.h)
	if lose != nil && end != nil {
		lose(end)
	}
}

// watch sees to it that the hold is lost when too few votes are left whose leases
// last. The engine counts from the last renewal by a majority, and is right for as
// long as all of that majority is there. When one of them has ended, the hold
// stands on votes that may have been renewed before that. Its caller holds u.mu.
func (u *union) watch() {
	from, term := u.lasts()
	left := untilBoth(from.Add(term - term/100 - 2*time.Millisecond))
	switch {
	case u.over || u.end != nil:
	case left <= 0:
		u.end = fmt.Errorf("%w, and too few votes are left", u.cause)
	case u.timer == nil:
		u.timer = time.AfterFunc(left, u.expire)
	default:
		u.timer.Reset(left)
	}
}

// expire looks again: votes may have been renewed or have joined.
func (u *union) expire() {
	u.mu.Lock()
	u.watch()
	lose, end := u.lose, u.end
	u.mu.Unlock()
	if lose != nil && end != nil {
		lose(end)
	}
}

// Check implements driver.Checked: a process that was paused looks here before the
// timer has fired.
func (u *union) Check() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.timer != nil {
		u.watch()
	}
	return u.end
}

// untilBoth returns how long it is until t, by the clock that says less: the
// monotonic one stands still while the machine is suspended.
func untilBoth(t time.Time) time.Duration {
	now := time.Now()
	return min(t.Sub(now), t.Round(0).Sub(now.Round(0)))
}

// absorb lets a vote join that came late, and reports whether it may.
func (u *union) absorb(i int, v *vote) bool {
	u.mu.Lock()
	can := !u.over && u.end == nil && (u.votes[i] == nil || u.votes[i].gone)
	if can {
		u.votes[i] = v
	}
	u.mu.Unlock()
	if !can {
		u.e.sides[i].p.register.remove(v.h)
		return false
	}
	u.listen(i, v)
	return true
}

// Token implements driver.Claim.
func (u *union) Token() uint64 { return u.fence }

// Lease implements driver.Leased: the lease of the vote without which those that
// last longer are no majority.
func (u *union) Lease() (time.Time, time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.lasts()
}

// lasts is Lease. Its caller holds u.mu.
func (u *union) lasts() (time.Time, time.Duration) {
	var all []*vote
	for _, v := range u.votes {
		if v != nil && !v.gone {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(a, b *vote) int { return b.until.Compare(a.until) })
	q := u.e.l.quorum
	if len(all) < q {
		return time.Time{}, 0
	}
	return all[q-1].from, all[q-1].until.Sub(all[q-1].from)
}

// Watch implements driver.Watched.
func (u *union) Watch(lose func(error)) {
	u.mu.Lock()
	u.lose = lose
	end := u.end
	u.mu.Unlock()
	if end != nil {
		lose(end)
		return
	}
	for _, x := range u.e.l.peers {
		x.p.receiver.wanted()
	}
}

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
		x.missed(err, errors.Is(err, context.DeadlineExceeded))
		x.repeat(try)
	}
	u.e.sides[i].p.register.remove(v.h) // Also of a server that has died for good.
}

// released reports whether the outcome of the release is known, and returns it. A
// server is free of the hold when it has confirmed that, or is known to have given
// no vote; one that was asked for a vote and did not answer may have one.
func (u *union) released() (done bool, err error) {
	arb := u.e.l.arbiter()
	stray := u.ballot.stray()
	u.mu.Lock()
	defer u.mu.Unlock()
	if v := u.votes[arb]; v != nil && !v.freed && v.err == nil {
		return false, nil
	}
	held, gone, kept, tried := 0, 0, 0, true
	var errs []error
	for i, v := range u.votes {
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
		for _, one := range []undo{last, stray[i], u.asked[i]} {
			if one.begun && !one.done {
				kept++
				if tried = tried && one.err != nil; one.err != nil {
					// Not wrapped: what timed out was one request, and not the release.
					errs = append(errs, fmt.Errorf("%s: %v", u.e.l.peers[i].addr, one.err)) //nolint:errorlint // See above.
				}
				break
			}
		}
	}
	q := u.e.l.quorum
	switch {
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
