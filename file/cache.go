package file

import (
	"sync"
	"time"

	"github.com/distlock/distlock-go/file/internal/flock"
	"github.com/distlock/distlock-go/file/internal/page"
)

// A cache keeps lock files open: one file of each name at a time, used or idle.
// To open a file costs as much as several acquires.
type cache struct {
	p   *Provider
	max int // of idle files

	opening chan struct{} // has room for those who open a file

	mu    sync.Mutex
	files map[string]*lockfile
	idle  lockfile // between the newest and the oldest in a ring of files that nobody uses
	count int      // of idle files
}

func newCache(p *Provider, most int) *cache {
	c := &cache{p: p, max: most, opening: make(chan struct{}, atATime), files: make(map[string]*lockfile)}
	c.idle.newer, c.idle.older = &c.idle, &c.idle
	return c
}

// get returns the file of that name, opened and made if need be. title is the
// name of the object whose main file it is, or empty. The caller must put it back.
func (c *cache) get(name, title string) (*lockfile, error) {
	c.mu.Lock()
	lf := c.files[name]
	if lf != nil {
		c.use(lf)
	}
	c.mu.Unlock()
	if lf != nil {
		return lf, nil
	}
	lf, err := c.open(name)
	if err != nil {
		return nil, unavailable(err)
	}
	c.mu.Lock()
	if other := c.files[name]; other != nil {
		c.use(other) // Somebody was quicker.
		lf, other = other, lf
		c.mu.Unlock()
		other.close()
		return lf, nil
	}
	lf.refs, lf.title = 1, title
	c.files[name] = lf
	c.mu.Unlock()
	return lf, nil
}

// use counts a user. The mutex must be held.
func (c *cache) use(lf *lockfile) {
	if lf.refs == 0 {
		lf.newer.older, lf.older.newer = lf.older, lf.newer
		lf.newer, lf.older = nil, nil
		c.count--
	}
	lf.refs++
}

// keep counts another user of a file that is open, and reports whether it is.
func (c *cache) keep(lf *lockfile) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if lf.closed {
		return false
	}
	c.use(lf)
	return true
}

// put ends a use. A file that is no longer used becomes idle, or is closed if it
// is not the file of its name any more.
func (c *cache) put(lf *lockfile) {
	var victim *lockfile
	c.mu.Lock()
	if lf.refs--; lf.refs == 0 {
		if c.files[lf.name] == lf {
			lf.newer, lf.older = &c.idle, c.idle.older
			lf.newer.older, lf.older.newer = lf, lf
			if c.count++; c.count > c.max {
				victim = c.evict()
			}
		} else {
			lf.closed, victim = true, lf
		}
	}
	c.mu.Unlock()
	if victim != nil {
		victim.close()
	}
}

// evict takes out the file that was idle longest, or returns nil. The caller must
// close it. The mutex must be held.
func (c *cache) evict() *lockfile {
	lf := c.idle.newer
	if lf == &c.idle {
		return nil
	}
	c.use(lf)
	lf.refs, lf.closed = 0, true
	delete(c.files, lf.name)
	return lf
}

// retire makes the next get open the file anew. Whoever uses the file still does;
// the last put closes it.
func (c *cache) retire(lf *lockfile) {
	c.mu.Lock()
	if c.files[lf.name] != lf {
		c.mu.Unlock()
		return
	}
	c.use(lf)
	delete(c.files, lf.name)
	c.mu.Unlock()
	c.put(lf)
}

// all returns the files that are in use, each counted once more.
func (c *cache) all() (all []*lockfile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, lf := range c.files {
		if lf.refs > 0 {
			lf.refs++
			all = append(all, lf)
		}
	}
	return all
}

// clear closes the files that are idle, and reports whether there were any.
func (c *cache) clear() bool {
	for found := false; ; found = true {
		c.mu.Lock()
		lf := c.evict()
		c.mu.Unlock()
		if lf == nil {
			return found
		}
		lf.close()
	}
}

// atATime is how many open a file at a time. A system call that takes long costs
// the runtime a thread, and these do if a thousand goroutines begin at once.
const atATime = 4

// open opens the file.
func (c *cache) open(name string) (*lockfile, error) {
	c.opening <- struct{}{}
	defer func() { <-c.opening }()
	now := time.Now()
	f, err := c.p.openFile(name)
	if err != nil {
		return nil, err
	}
	remote, err := c.p.folder.use()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	lf, err := newLockfile(c.p, name, f, remote == "")
	if err == nil {
		lf.looked = now
	}
	return lf, err
}

// newLockfile wraps an open file, which it closes if that fails.
func newLockfile(p *Provider, name string, f *flock.File, local bool) (*lockfile, error) {
	if !local {
		return &lockfile{p: p, name: name, f: f, page: page.Copy(f)}, nil
	}
	mapped, err := page.Map(f)
	for tooMany(err) && p.files.clear() {
		mapped, err = page.Map(f)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &lockfile{p: p, name: name, f: f, page: mapped}, nil
}
