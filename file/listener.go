package file

import (
	"context"
	"time"

	"github.com/distlock/distlock-go/file/internal/page"
)

// How whoever sleeps wants to be told of an unlock: bits of the word atWaiting.
const (
	byEvent = 1 << iota // by what the system tells of the file: see [fswatch.Watcher]
	byBell              // by the bell in the file's page
)

// listeners is how many sleepers of a provider may listen to bells. It takes half
// the time that the system needs to tell of an event, but each of them blocks a
// thread; so it is for those who are next at their object, and for few.
const listeners = 4

// listenFor is how long a sleeper listens without looking around, should the bell be
// out of order because somebody has truncated the file.
const listenFor = time.Second

// listen has the sleeper listen to the bell of a file when it sleeps next, and
// reports whether it will. It must be called before the attempt whose failure makes
// it sleep: a bell that is struck since ends that sleep at once.
//
// A holder that dies strikes no bell. Therefore a listener follows the file's events
// too, and whatever wakes it strikes the bell for it; see [sleeper.notify].
func (s *sleeper) listen(lf *lockfile) bool {
	if !page.HasBells || lf.mute.Load() {
		return false
	}
	if !s.placed {
		select {
		case s.p.listeners <- struct{}{}:
			s.placed = true
		default:
			return false
		}
	}
	if lf.page.Do(func() { s.seen = lf.page.Strokes(atBell) }) != nil {
		return false
	}
	s.bell = lf
	return true
}

// Sleep implements driver.Sleeper.
func (s *sleeper) Sleep(ctx context.Context, d time.Duration) bool {
	lf := s.bell
	if lf == nil {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-s.woken:
			return true
		case <-timer.C:
		case <-ctx.Done():
		}
		return false
	}
	s.bell = nil
	defer context.AfterFunc(ctx, s.rouse)()
	s.lieDown(lf)
	defer s.lieDown(nil)
	for end := time.Now().Add(d); ctx.Err() == nil; {
		var now uint32
		err := lf.page.Do(func() { now = lf.page.Strokes(atBell) })
		select {
		case <-s.woken:
			return true
		default:
		}
		left := time.Until(end)
		switch {
		case err != nil, now != s.seen:
			return true
		case left <= 0:
			return false
		case !lf.page.Listen(atBell, s.seen, min(left, listenFor)):
			lf.mute.Store(true)
			return true // The next attempt asks for events.
		}
	}
	return false
}

// lieDown says at which bell the sleeper sleeps, or that it is awake.
func (s *sleeper) lieDown(lf *lockfile) {
	s.mu.Lock()
	s.asleep = lf
	s.mu.Unlock()
}

// rouse strikes the bell at which the sleeper sleeps. Others who listen to it find
// nothing, and sleep on.
func (s *sleeper) rouse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lf := s.asleep; lf != nil && lf.page.Do(func() { lf.page.Strike(atBell) }) == nil {
		lf.page.Wake(atBell)
	}
}

// ask has whoever unlocks the file tell of it, once. Others may have asked for it in
// another way.
func (lf *lockfile) ask(how uint64) {
	_ = lf.page.Do(func() {
		for {
			was := lf.page.Load(atWaiting)
			if was&how == how || lf.page.CompareAndSwap(atWaiting, was, was|how) {
				return
			}
		}
	})
}
