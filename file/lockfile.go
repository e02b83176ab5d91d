package file

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/flock"
	"github.com/distlock/distlock-go/file/internal/fswatch"
	"github.com/distlock/distlock-go/file/internal/page"
)

// A lockfile is one lock file that this provider has open. The kernel's lock
// belongs to the open file, so within a provider the lockfile itself keeps its
// users apart: taking the kernel's lock twice would succeed.
//
// A grant is made in four steps, in this order: lock the file, draw a token,
// check that the path still names the file, enter the holder.
//
//   - The process dies: the kernel frees the lock; the token is skipped, and the
//     entry is found to be stale, because the lock is free.
//   - The file is removed or replaced before the check: the attempt begins again
//     with the file that is there. Whoever has locked that one has made it after
//     the removal, and so drawn its tokens from the ledger after ours.
//   - It is removed after the check: the hold is lost, which is known to a Check
//     at once and to Done as soon as the system tells.
//
// Err, Release and the goroutine that hears of losses need the mutex of the file, so
// nobody waits for anything while they have it. If the token must come from the
// ledger, the mutex is given up meanwhile: the file stays locked, in the mode that it
// was locked in, and what became of it is found by the check.
type lockfile struct {
	p     *Provider
	name  string // of the file
	title string // of the object, if this is its main file
	f     *flock.File
	page  *page.Page

	// Of the cache, whose mutex guards them.
	refs         int
	closed       bool
	newer, older *lockfile

	hint atomic.Int64 // of a semaphore: the permit that was taken last
	mute atomic.Bool  // the page's bell cannot be listened to

	heard atomic.Uint32 // of a fswatch.Event: what a goroutine was begun for and has yet to see

	mu       sync.Mutex
	mode     int   // exclusive, or how many of this provider share it; 0: not locked
	gone     error // why the path does not name this file any more
	claims   []*claim
	sleepers []*sleeper
	watch    *fswatch.Watch // nil: not yet watched, or cannot be
	last     uint64         // the last token that was drawn by this provider
	trusted  bool           // the tokens were written since the machine was booted
	looked   time.Time      // when the path was last seen to name the file
}

const exclusive = -1

// take makes a claim of the file. The token is drawn from source, which is the
// file itself or, for a permit, the main file of the semaphore. Its error is
// errReplaced, matches core.ErrNotAcquired, matches core.ErrUnavailable, or is that of
// the context.
func (lf *lockfile) take(ctx context.Context, shared bool, source *lockfile) (*claim, error) {
	lf.mu.Lock()
	c, err := lf.grant(ctx, shared, source)
	gone := lf.gone
	lf.mu.Unlock()
	if gone != nil {
		lf.end()
	}
	return c, err
}

// grant is take with the mutex held, which it gives up while it waits.
func (lf *lockfile) grant(ctx context.Context, shared bool, source *lockfile) (*claim, error) {
	if err := lf.lock(shared); err != nil {
		return nil, err
	}
	c := &claim{lf: lf, shared: shared, entry: unlisted, since: time.Now()}
	err := source.drawFor(ctx, c)
	if err == nil {
		err = lf.standsAt(c.since)
	}
	if err != nil {
		lf.leave(c)
		lf.unlock()
		return nil, err
	}
	lf.claims = append(lf.claims, c)
	return c, nil
}

// lock takes the kernel's lock, or joins those of this provider who share it.
// The mutex must be held.
func (lf *lockfile) lock(shared bool) error {
	switch {
	case lf.gone != nil:
		return errReplaced
	case lf.mode == exclusive, lf.mode > 0 && !shared:
		return lf.held()
	case lf.mode > 0:
		lf.mode++
		return nil
	}
	ok, err := lf.f.TryLock(shared)
	if err != nil {
		return unavailable(err)
	}
	if !ok {
		return lf.held()
	}
	lf.mode = exclusive
	if shared {
		lf.mode = 1
	}
	return nil
}

// unlock undoes one lock. The bell is rung after the unlock: whoever found the
// file locked had asked for it before, so it is not overlooked; and whoever asks
// between the two and finds the file locked again is woken by the next holder.
// If it fails the file is gone; the caller must end it then, so that it is closed
// by the last who uses it, which unlocks it. The mutex must be held.
func (lf *lockfile) unlock() {
	if lf.mode > 1 {
		lf.mode--
		return
	}
	lf.mode = 0
	if err := lf.f.Unlock(); err != nil && lf.gone == nil {
		lf.gone = err
	}
	lf.ring()
}

// ring wakes those who sleep until the file is unlocked.
func (lf *lockfile) ring() {
	how := lf.asked()
	if how&byBell != 0 {
		lf.page.Wake(atBell)
	}
	if how&byEvent != 0 {
		lf.f.Ring()
	}
}

// asked returns how those who sleep want to be told, and strikes the bell if that
// is one way. They ask for it anew before each attempt, so the request is cleared
// before they are told; and in one step with the look at it: one that comes in
// between, of another way to be told, would be lost.
func (lf *lockfile) asked() uint64 {
	if !lf.page.Mapped() {
		return byEvent
	}
	var how uint64
	err := lf.page.Do(func() {
		for how = lf.page.Load(atWaiting); how != 0 && !lf.page.CompareAndSwap(atWaiting, how, 0); {
			how = lf.page.Load(atWaiting)
		}
		if how&byBell != 0 {
			lf.page.Strike(atBell)
		}
	})
	if err != nil {
		return byEvent
	}
	return how
}

// held returns the answer that somebody else holds the file, and who, as far as
// the file tells; or errReplaced, if it is not the file of its name that is held.
// The mutex must be held.
func (lf *lockfile) held() error {
	if err := lf.standsAt(time.Now()); err != nil {
		return err
	}
	var b [page.Size]byte
	if lf.page.Do(func() { lf.page.Read(atEntries, b[atEntries:]) }) == nil {
		for i := range entries {
			if holder, ok := readEntry(b[:], i); ok {
				return &core.HeldError{Holder: holder}
			}
		}
	}
	return core.ErrNotAcquired
}

// do uses the page. If it is missing, because somebody has truncated the file, it
// is made again, empty.
func (lf *lockfile) do(use func()) error {
	err := lf.page.Do(use)
	if !errors.Is(err, page.ErrFault) {
		return err
	}
	if err := page.Repair(lf.f); err != nil {
		return unavailable(err)
	}
	if err := lf.page.Do(use); err != nil {
		return unavailable(&fs.PathError{Op: "access", Path: lf.f.Path(), Err: err})
	}
	return nil
}

// setGated sets the flag of the turnstile, which is a hint: failing is no error.
func (lf *lockfile) setGated(on bool) {
	lf.mu.Lock()
	defer lf.mu.Unlock()
	_ = lf.page.Do(func() {
		if was := lf.page.Load(atGated) == 1; was != on {
			lf.page.Store(atGated, flag(on))
		}
	})
}

// gated reports whether the flag of the turnstile is set.
func (lf *lockfile) gated() (on bool) {
	lf.mu.Lock()
	defer lf.mu.Unlock()
	_ = lf.page.Do(func() { on = lf.page.Load(atGated) == 1 })
	return on
}

// forget takes a claim out of the list.
func (lf *lockfile) forget(c *claim) {
	if i := slices.Index(lf.claims, c); i >= 0 {
		last := len(lf.claims) - 1
		lf.claims[i], lf.claims[last] = lf.claims[last], nil
		lf.claims = lf.claims[:last]
	}
}

// close closes a file that nobody uses and that the cache does not have.
func (lf *lockfile) close() {
	if lf.watch != nil {
		lf.watch.Remove()
	}
	_ = lf.page.Close()
	_ = lf.f.Close() // It was only read and locked; there is nothing left to fail.
}
