package file

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/flock"
	"github.com/distlock/distlock-go/file/internal/page"
)

// GC removes the lock files that nobody uses and that nobody has locked for
// olderThan, and returns how many. A file is a few KB and is not removed by a
// release, because the next acquire is several times as fast if it is there; a
// program whose names are without end should call GC now and then.
//
// It is safe at any time: a file is removed while GC holds its lock, so nobody
// else does; whoever has it open finds that out before it trusts a lock on it;
// and tokens go on from the ledger. A file that cannot be removed, because another
// user owns it or, on Windows, because somebody has it open, is passed over.
func (p *Provider) GC(ctx context.Context, olderThan time.Duration) (removed int, err error) {
	if olderThan < 0 {
		return 0, &core.Error{Op: "gc", Err: invalid("the age is %v; it must not be negative", olderThan)}
	}
	before := time.Now().Add(-olderThan)
	p.files.clear() // On Windows, none that is open could be removed.
	remove := func(file string) error {
		return p.ledger.locked(ctx, func(*ledgerLock) error {
			if p.collect(file, before) {
				removed++
			}
			return nil
		})
	}
	var mains []string
	err = p.eachFile(ctx, func(file string) error {
		switch {
		case !ours().MatchString(file):
			return nil
		case strings.HasSuffix(file, semSuffix):
			mains = append(mains, file)
			return nil
		}
		return remove(file)
	})
	if err == nil {
		err = p.eachUnused(ctx, mains, remove)
	}
	if err != nil {
		return removed, &core.Error{Op: "gc", Err: unavailable(err)}
	}
	return removed, nil
}

// eachUnused calls f with those of the main files of semaphores that have no permits
// left. Who holds a permit does not lock the main file, which has the semaphore's name
// and limit.
func (p *Provider) eachUnused(ctx context.Context, mains []string, f func(file string) error) error {
	used := make(map[string]bool)
	err := p.eachFile(ctx, func(file string) error {
		if base, _, ok := strings.Cut(file, semSuffix+"."); ok {
			used[base+semSuffix] = true
		}
		return nil
	})
	for _, main := range mains {
		if err == nil {
			err = p.usable(ctx)
		}
		if err == nil && !used[main] {
			err = f(main)
		}
	}
	return err
}

// ours matches the names of the files that this package makes, but the ledger's own.
func ours() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9_-]{1,20}-[a-z2-7]{32}\.(lock|rw|sem)(\.gate|\.[0-9]+)?(\.tmp-[A-Z2-7]{8})?$|^distlock\.ledger\.tmp-[A-Z2-7]{8}$|^check-[A-Z2-7]{8}$`)
}

// collect removes a file if it is free and was not used since.
func (p *Provider) collect(file string, since time.Time) bool {
	f, err := flock.OpenExisting(filepath.Join(p.folder.path, file))
	if err != nil {
		return false
	}
	defer f.Close()
	if !lastUse(f).Before(since) {
		return false // Whoever tries it now must not find it locked by us.
	}
	free, err := f.TryLock(false)
	if err != nil || !free {
		return false
	}
	gone := lastUse(f).Before(since) && f.Named() == nil && f.Remove() == nil
	if !gone {
		_ = f.Unlock()
	}
	f.Ring() // Somebody may have found the file locked by us.
	return gone
}

// lastUse returns when the file was last locked by a holder, or written to.
func lastUse(f *flock.File) time.Time {
	now := time.Now()
	last := now
	if info, err := os.Lstat(f.Path()); err == nil {
		last = info.ModTime()
	}
	b := make([]byte, page.Size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return now
	}
	for i := range entries {
		if since := time.Unix(0, int64(page.Words(b)(entryAt(i)+entrySince))); since.After(last) && since.Before(now) {
			last = since
		}
	}
	return last
}
