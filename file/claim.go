package file

import (
	"context"
	"fmt"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A claim is one hold on one file, as its holder has it. It implements
// driver.Watched, driver.Checked and driver.Successive.
type claim struct {
	lf     *lockfile
	token  uint64
	shared bool
	entry  int
	since  time.Time
	source *lockfile // of a permit: where its tokens come from

	// Guarded by lf.mu.
	ended bool
	cause error // why it had ended before its release
	lost  func(cause error)
}

// Token implements driver.Claim.
func (c *claim) Token() uint64 { return c.token }

// Release implements driver.Claim. It needs one or two system calls, which do not
// wait, so it pays no heed to its context; closing the file is the way out if one
// fails.
func (c *claim) Release(context.Context) error {
	lf := c.lf
	lf.mu.Lock()
	if c.ended {
		lf.mu.Unlock()
		return nil
	}
	c.ended = true
	lf.forget(c)
	if time.Since(c.since) > briefly {
		_ = lf.stands()
	}
	gone := lf.gone
	c.cause = gone
	lf.leave(c)
	lf.unlock()
	over := lf.gone != nil // Also if the unlock failed: c.put must close the file then.
	lf.mu.Unlock()
	if over {
		lf.end()
	}
	c.put()
	if gone != nil {
		return fmt.Errorf("%w: %w", core.ErrLost, gone)
	}
	return nil
}

// briefly is a hold so short that the check at its grant counts for its end too,
// unless the system has told of a loss already. A check costs half as much as to
// lock and unlock.
const briefly = 100 * time.Microsecond

// put ends the claim's use of its files.
func (c *claim) put() {
	c.lf.p.files.put(c.lf)
	if c.source != nil {
		c.source.p.files.put(c.source)
	}
}

// Watch implements driver.Watched. A file that was removed since the grant was
// checked is told of by another goroutine: the grant was good, and is a hold that
// was lost, not an acquire that failed.
func (c *claim) Watch(lost func(cause error)) {
	lf := c.lf
	lf.mu.Lock()
	c.lost = lost
	lf.observe()
	gone := lf.gone
	lf.mu.Unlock()
	if gone != nil {
		lf.p.background.Go(lf.end)
	}
	lf.p.probe.start()
}

// Check implements driver.Checked: a removed file shows at once, before the
// system has told of it. A lost claim is given back in the background, so it may
// have ended by now.
func (c *claim) Check() error {
	lf := c.lf
	lf.mu.Lock()
	if c.ended {
		defer lf.mu.Unlock()
		return c.cause
	}
	_ = lf.stands()
	gone := lf.gone
	lf.mu.Unlock()
	if gone != nil {
		lf.end()
	}
	return gone
}

// Succeed implements driver.Successive. The lock stays with the file; the token is
// the next one, if the counter can give one without asking the ledger.
func (c *claim) Succeed() (driver.Claim, bool) {
	lf := c.lf
	lf.mu.Lock()
	defer lf.mu.Unlock()
	heir := &claim{lf: lf, shared: c.shared, entry: unlisted, since: time.Now(), source: c.source}
	if c.ended || lf.standsAt(heir.since) != nil || !lf.page.Mapped() || !heir.inherit() {
		return nil, false
	}
	c.ended = true
	lf.forget(c)
	lf.claims = append(lf.claims, heir)
	return heir, true
}

// inherit draws a token for the heir of a claim, and enters it as the holder. The
// file's mutex must be held.
func (c *claim) inherit() bool {
	if c.source == nil {
		token, err := c.lf.draw(c)
		return err == nil && token != 0
	}
	c.source.mu.Lock()
	defer c.source.mu.Unlock()
	token, err := c.source.draw(c)
	if err != nil || token == 0 || c.source.standsAt(c.since) != nil {
		return false
	}
	return c.lf.do(func() { c.lf.enter(c) }) == nil
}
