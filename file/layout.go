package file

import (
	"bytes"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/page"
)

// The first page of a lock file, in words of the machine's byte order. A file of
// another order has no magic, and is taken for one without contents.
//
// Who may write: waiting, bell and gated anybody; the tokens those who hold the file's
// lock, shared holders by compare-and-swap and, if the page is not mapped, under
// the lock of the directory's ledger, as then all do where pages are mapped; an entry
// its owner.
const (
	atMagic   = 0
	atWaiting = 8  // how those who sleep until the file is unlocked want to be told
	atGated   = 16 // 1: somebody waits at the turnstile, so newcomers look there first
	atLimit   = 24 // the limit of the semaphore's last user
	atListed  = 32 // 1: entries of shared holders may be in use
	atNameLen = 40 // the length of the name, which follows the page
	atBell    = 48 // counts the unlocks that were told by it

	atNext     = 64 // the last token that was handed out, sealed
	atMark     = 72 // tokens up to here may be handed out, sealed
	atReserved = 80 // what atMark is going to be, sealed; durable before atMark is set
	atBoot     = 88 // the boot of the machine in which these were written

	atEntries = 256 // holders; the first one is that of the exclusive holder
	entrySize = 256
	entries   = (page.Size - atEntries) / entrySize // less the byte of the bell

	magic = 0x31_63_6f_6c_74_73_69_64 // "distloc1" in a little-endian word
)

// An entry of a holder.
const (
	entryLive    = 0 // 1: it is in use
	entryToken   = 8
	entrySince   = 16 // Unix time in ns
	entryPID     = 24
	entryShared  = 32
	entryProgram = 40 // up to 80 bytes that end with a zero byte
	entryHost    = 120
	ownerSize    = 80
)

func entryAt(i int) int { return atEntries + i*entrySize }

// An ownerRecord is an owner as it stands in an entry, from entryProgram on.
type ownerRecord struct {
	pid  int
	text [2 * ownerSize]byte
}

func newOwnerRecord(o core.Owner) *ownerRecord {
	r := &ownerRecord{pid: o.PID}
	copy(r.text[:ownerSize-1], o.Program)
	copy(r.text[ownerSize:2*ownerSize-1], o.Host)
	return r
}

// writeEntry fills an entry. It is live last, so whoever reads a live entry reads
// a whole one, unless it changes under their eyes.
func writeEntry(p *page.Page, i int, r *ownerRecord, c *claim) {
	at := entryAt(i)
	p.Store(at+entryToken, c.token)
	p.Store(at+entrySince, uint64(c.since.UnixNano()))
	p.Store(at+entryPID, uint64(r.pid))
	p.Store(at+entryShared, flag(c.shared))
	p.Write(at+entryProgram, r.text[:])
	p.Store(at+entryLive, 1)
}

func flag(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}

// readEntry returns the holder in entry i of a page as it is in a file, and
// whether the entry is live.
func readEntry(b []byte, i int) (core.Holder, bool) {
	at, word := entryAt(i), page.Words(b)
	if word(at+entryLive) != 1 {
		return core.Holder{}, false
	}
	return core.Holder{
		Owner: core.Owner{
			Program: text(b[at+entryProgram:][:ownerSize]),
			Host:    text(b[at+entryHost:][:ownerSize]),
			PID:     int(word(at + entryPID)),
		},
		Shared: word(at+entryShared) == 1,
		Token:  word(at + entryToken),
		Since:  time.Unix(0, int64(word(at+entrySince))),
	}, true
}

// text returns what is before the first zero byte, if it is text.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(bytes.ToValidUTF8(b, []byte("?")))
}
