package file

import (
	"os"

	"github.com/distlock/distlock-go/file/internal/host"
)

// unlisted is the entry of a claim that has none: all are taken.
const unlisted = -1

// enter writes the holder into the page, as part of a use of it. It is for
// Inspect and for errors only.
func (lf *lockfile) enter(c *claim) {
	if !c.shared {
		lf.clearShared()
		c.entry = 0
	} else {
		// Nobody holds the file exclusively now: whoever did has crashed.
		if lf.page.Load(entryAt(0)+entryLive) != 0 {
			lf.page.Store(entryAt(0)+entryLive, 0)
		}
		if c.entry = lf.freeEntry(); c.entry == unlisted {
			return
		}
	}
	writeEntry(lf.page, c.entry, lf.p.owner, c)
}

// leave takes the holder out of the page. Only it changes its entry.
func (lf *lockfile) leave(c *claim) {
	if c.entry == unlisted {
		return
	}
	_ = lf.page.Do(func() { lf.page.Store(entryAt(c.entry)+entryLive, 0) })
	c.entry = unlisted
}

// clearShared frees the entries of shared holders: there are none, so these have
// crashed.
func (lf *lockfile) clearShared() {
	if lf.page.Load(atListed) == 0 {
		return
	}
	for i := 1; i < entries; i++ {
		if lf.page.Load(entryAt(i)+entryLive) != 0 { // To store is a write each, where the page is not mapped.
			lf.page.Store(entryAt(i)+entryLive, 0)
		}
	}
	lf.page.Store(atListed, 0)
}

// taken marks an entry that is being filled.
const taken = 2

// freeEntry finds an entry for a shared holder, if need be one that a process of
// this machine has left as it died.
func (lf *lockfile) freeEntry() int {
	if lf.page.Load(atListed) == 0 {
		lf.page.Store(atListed, 1)
	}
	for i := 1; i < entries; i++ {
		if lf.page.CompareAndSwap(entryAt(i)+entryLive, 0, taken) {
			return i
		}
	}
	for i := 1; i < entries; i++ {
		if lf.abandoned(i) && lf.page.CompareAndSwap(entryAt(i)+entryLive, 1, taken) {
			return i
		}
	}
	return unlisted
}

// abandoned reports whether an entry is that of a process of this machine that
// is no more.
func (lf *lockfile) abandoned(i int) bool {
	at := entryAt(i)
	var owner [ownerSize]byte
	lf.page.Read(at+entryHost, owner[:])
	pid := int(lf.page.Load(at + entryPID))
	return text(owner[:]) == lf.p.host && pid != os.Getpid() && host.Dead(pid)
}
