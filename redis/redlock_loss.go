package redis

import (
	"fmt"
	"time"
)

// A hold is lost when the votes that are left, by what the servers have said and by
// their leases, are no majority, even if the last renewal had one.

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
