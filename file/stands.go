package file

import (
	"errors"
	"time"

	"github.com/distlock/distlock-go/file/internal/flock"
	"github.com/distlock/distlock-go/file/internal/fswatch"
)

// A lock on a file excludes others for as long as its path names that file: who comes
// after a removal or a rename locks another one. Here that is found out, when a lock
// is granted, when the system tells of a change and when the probe looks.

// stands returns nil while the path names this file, and errReplaced once it is
// known not to. The mutex must be held.
func (lf *lockfile) stands() error {
	if lf.gone == nil {
		if err := lf.f.Stands(); errors.Is(err, flock.ErrRemoved) {
			lf.gone = err
		}
	}
	if lf.gone != nil {
		return errReplaced
	}
	return nil
}

// standsAt is stands for what is granted now. An open file does not show that a
// directory above was renamed, or that a symbolic link to one was switched, so the
// path is looked at too unless that was done lately; see Provider.lately. The
// mutex must be held.
func (lf *lockfile) standsAt(now time.Time) error {
	if err := lf.stands(); err != nil || now.Sub(lf.looked) < lf.p.lately {
		return err
	}
	return lf.named(now)
}

// named is stands by a look at the path, whatever was seen before. What has become
// of the directory is found out anew if it is another one. The mutex must be held.
func (lf *lockfile) named(now time.Time) error {
	if lf.gone == nil {
		err := lf.f.Named()
		switch {
		case err == nil:
			lf.looked = now
		case errors.Is(err, flock.ErrRemoved):
			lf.gone = err
			lf.p.folder.missing()
		}
	}
	if lf.gone != nil {
		return errReplaced
	}
	return nil
}

// verify looks whether the path still names the file, and tells its holders if it
// does not.
func (lf *lockfile) verify() {
	lf.mu.Lock()
	_ = lf.named(time.Now())
	gone := lf.gone
	lf.mu.Unlock()
	if gone != nil {
		lf.end()
	}
}

// end tells the holders of a file that is gone that their holds are lost, and
// those who wait for it to look for its successor. It may be called again.
func (lf *lockfile) end() {
	lf.p.files.retire(lf)
	lf.mu.Lock()
	cause := lf.gone
	var lost []func(error)
	for _, c := range lf.claims {
		if c.lost != nil {
			lost = append(lost, c.lost)
		}
	}
	lf.wake()
	lf.mu.Unlock()
	for _, tell := range lost {
		tell(cause)
	}
}

// event takes in what the system tells of the file. One goroutine hears of all files,
// so it does not wait for the mutex of one: whoever has that may be held up by the disk.
func (lf *lockfile) event(what fswatch.Event) {
	if !lf.p.files.keep(lf) {
		return
	}
	if what == fswatch.Freed && lf.mu.TryLock() {
		lf.wake()
		lf.mu.Unlock()
		lf.p.files.put(lf)
		return
	}
	if lf.heard.Or(uint32(what)) != 0 {
		lf.p.files.put(lf) // A goroutine was begun that has yet to look what was heard.
		return
	}
	lf.p.events.late.Go(lf.heed)
}

// heed does what was heard, and ends a use of the file.
func (lf *lockfile) heed() {
	defer lf.p.files.put(lf)
	what := fswatch.Event(lf.heard.Swap(0))
	if what&fswatch.Changed != 0 {
		lf.verify()
	}
	if what&fswatch.Freed != 0 {
		lf.mu.Lock()
		lf.wake()
		lf.mu.Unlock()
	}
}

// observe has the system tell of what happens to the file. What happened before
// is not told, so the file is checked afterwards. The mutex must be held.
func (lf *lockfile) observe() {
	if lf.watch != nil || lf.gone != nil {
		return
	}
	if lf.watch = lf.p.events.watch(lf); lf.watch != nil {
		_ = lf.stands()
	}
}
