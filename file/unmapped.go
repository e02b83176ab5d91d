package file

// allotted draws a token that the ledger allots to this claim alone.
//
// A page that is not mapped although pages are mapped here is that of a file system
// that several machines share, as a rule. What one of them writes to a file, the others
// may see only once they have locked that file: it is what the lock that orders the
// draws is on that they see, and this is the ledger. The file of readers they have
// locked long before, and the main file of a semaphore not at all. An exclusive holder
// draws in the same way, so that its token is above those of all readers before.
//
// The counter shows the token as its last one. So it is the floor of the next if the
// ledger is lost, as far as it is seen; and one who has the page mapped after all draws
// nothing below.
func (lf *lockfile) allotted(c *claim, l *ledgerLock) (token uint64, err error) {
	p := lf.page
	var most uint64
	var known bool
	err = lf.withMutex(func() {
		known = p.Load(atMagic) == magic
		most = max(lf.most(), lf.last)
	})
	if err != nil {
		return 0, err
	}
	if token, err = l.allot(most, 1); err != nil {
		return 0, err
	}
	token++
	if err := l.endure(token); err != nil {
		return 0, err
	}
	if !known {
		if err := lf.writeName(); err != nil {
			return 0, err
		}
	}
	return token, lf.withMutex(func() {
		p.Store(atNext, seal(token))
		p.Store(atMark, seal(token))
		p.Store(atReserved, seal(token))
		p.Store(atMagic, magic)
		lf.last, c.token = token, token
		if lf == c.lf {
			lf.enter(c)
		}
	})
}
