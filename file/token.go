package file

import (
	"context"
	"fmt"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/page"
)

// Tokens are drawn from a counter in the first page of the file, by whoever has
// just locked it. What makes them grow whatever happens:
//
//   - The counter may only run up to a mark. The mark is set ahead by many tokens
//     at a time, after it was made durable; so a draw costs no I/O, and after a
//     power failure, when the counter may be an old one, it goes on from the mark.
//     That there was one is known by the boot id of the machine or, where there
//     is none, supposed whenever a process opens the file.
//   - The tokens below a mark come from the directory's ledger, which allots each
//     once, and never less than by the clock. So a counter that is missing,
//     damaged or older than what this process has seen is replaced, and the file
//     of a name that was removed and made again has greater tokens than the one
//     before. See [ledger] for what happens to that if the ledger is lost.
//   - Where a page could be mapped and is not, each token comes from the ledger; see
//     [lockfile.allotted].
//   - Each word of the counter carries a seal, and is believed only beside a second
//     one that it agrees with. One that is damaged is taken for missing; it must
//     neither take tokens back nor, which cannot be undone, run far ahead.
//   - The first tokens of a new file rest on the clock and are not made durable,
//     because a name that is used once should not cost a disk flush.

// How many tokens are allotted at a time: few to begin with, because tokens that
// names never use must not take the ledger ahead of the clock; and many to a file
// that has used up its last ones, because an allotment costs a disk flush.
const (
	firstReserve = 1024
	reserve      = 16384
)

// drawFor gives a claim of this file, or of a permit whose tokens this file has,
// its token, and lists the holder. It fails with errReplaced, the error of the context
// or one that matches core.ErrUnavailable. The mutex of the claim's file must be held;
// it is given up while the ledger is asked.
//
// Shared holders draw at the same time. On a mapped page that is safe; for others they
// do it under the ledger's lock.
func (lf *lockfile) drawFor(ctx context.Context, c *claim) error {
	own := lf == c.lf
	if !own {
		lf.mu.Lock()
		defer lf.mu.Unlock()
	}
	token, err := lf.draw(c)
	for n := 0; err == nil && token == 0; n++ {
		if n == attempts {
			return errDamage
		}
		if !own {
			lf.mu.Unlock()
		}
		c.lf.mu.Unlock()
		token, err = lf.refill(ctx, c)
		c.lf.mu.Lock()
		if !own {
			lf.mu.Lock()
		}
		c.since = time.Now() // It may have waited for the ledger, while the directory was moved.
	}
	if err == nil && !own {
		if err = lf.standsAt(c.since); err == nil {
			err = c.lf.do(func() { c.lf.enter(c) })
		}
	}
	return err
}

var errDamage = fmt.Errorf("%w: the lock file is damaged as fast as it is repaired; find out by whom", core.ErrUnavailable)

// draw gives the claim the next token and lists it, if the counter has one.
func (lf *lockfile) draw(c *claim) (token uint64, err error) {
	alone := lf == c.lf && !c.shared
	if !lf.page.Mapped() && (!alone || page.Maps) {
		return 0, nil
	}
	err = lf.do(func() { token = lf.next(c) })
	return token, err
}

// next is draw as part of a use of the page; 0 means that the counter is used up,
// or is not to be trusted.
func (lf *lockfile) next(c *claim) uint64 {
	p := lf.page
	if !lf.intact() {
		return 0
	}
	for {
		word := p.Load(atNext)
		n, mark := unseal(word), unseal(p.Load(atMark))
		if n >= mark || mark-n > reserve || n < lf.last {
			return 0
		}
		if p.CompareAndSwap(atNext, word, seal(n+1)) {
			lf.last = n + 1
			c.token = n + 1
			if lf == c.lf {
				lf.enter(c)
			}
			return n + 1
		}
	}
}

// intact reports whether the counter was written since the machine was booted.
func (lf *lockfile) intact() bool {
	return lf.page.Load(atMagic) == magic && lf.page.Load(atBoot) == lf.p.boot && (lf.p.boot != 0 || lf.trusted)
}

// refill has the ledger allot new tokens to the file, and draws one. It returns 0
// if somebody damages the file meanwhile. Neither the mutex of this file nor that of
// the claim's may be held: it waits for the ledger, and for the disk.
//
// It sets the counter to the beginning of the allotment, where it is used up in
// the eyes of others; has the new mark written to the disk; and only then sets
// the mark. Dying in between loses some tokens, no more.
func (lf *lockfile) refill(ctx context.Context, c *claim) (token uint64, err error) {
	p := lf.page
	err = lf.p.ledger.locked(ctx, func(l *ledgerLock) (err error) {
		if page.Maps && !p.Mapped() {
			token, err = lf.allotted(c, l)
			return err
		}
		if err := page.Fit(lf.f); err != nil {
			return err
		}
		var most uint64
		var known bool
		n := uint64(firstReserve)
		err = lf.withMutex(func() {
			token = lf.next(c) // Another one may have been quicker.
			known = p.Load(atMagic) == magic
			if lf.intact() && p.Load(atNext) == p.Load(atMark) {
				n = reserve
			}
			most = max(lf.most(), lf.last)
		})
		if err != nil || token != 0 {
			return err
		}
		base, err := l.allot(most, n)
		if err != nil {
			return err
		}
		if err := lf.withMutex(func() {
			p.Store(atNext, seal(base))
			p.Store(atReserved, seal(base+n))
		}); err != nil {
			return err
		}
		if known {
			err = lf.f.Sync()
		} else {
			err = lf.writeName()
		}
		if err != nil {
			return err
		}
		return lf.withMutex(func() {
			lf.trusted = true
			p.Store(atMark, seal(base+n))
			p.Store(atBoot, lf.p.boot)
			p.Store(atMagic, magic)
			token = lf.next(c)
		})
	})
	return token, unavailable(err)
}

// withMutex is do by somebody who does not have the mutex.
func (lf *lockfile) withMutex(use func()) error {
	lf.mu.Lock()
	defer lf.mu.Unlock()
	return lf.do(use)
}

// most returns the greatest token that the counter speaks of, or 0 if it is
// damaged.
//
// Wherever a refill ends, two of the three words are no further apart than one
// allotment, and what the third one says was not drawn. Garbage passes for a word
// once in 2048 times, but not for two that agree.
func (lf *lockfile) most() uint64 {
	next, mark, reserved := unseal(lf.page.Load(atNext)), unseal(lf.page.Load(atMark)), unseal(lf.page.Load(atReserved))
	agreed := func(a, b uint64) uint64 {
		if min(a, b) == 0 || max(a, b)-min(a, b) > reserve {
			return 0
		}
		return max(a, b)
	}
	return max(agreed(next, mark), agreed(next, reserved), agreed(mark, reserved))
}

// maxToken is the greatest token there can be: tokens are exact in JSON, and
// leave room for a seal. By the clock it is reached in the year 2112.
const maxToken = 1<<53 - 1

// seal returns a token as it stands in a file: above its 53 bits, 11 that depend
// on them.
func seal(token uint64) uint64 {
	return token | (token*0x9e3779b97f4a7c15)>>53<<53
}

// unseal returns the token in a word of a file, or 0 if the word is damaged.
func unseal(word uint64) uint64 {
	token := word & maxToken
	if seal(token) != word {
		return 0
	}
	return token
}

// writeName writes the name of the object behind the page of a file that had
// none. It is for List; what decides is the name of the file.
func (lf *lockfile) writeName() error {
	if lf.title == "" {
		return nil
	}
	if _, err := lf.f.WriteAt([]byte(lf.title), page.Size); err != nil {
		return err
	}
	return lf.withMutex(func() { lf.page.Store(atNameLen, uint64(len(lf.title))) })
}
