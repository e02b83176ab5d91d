package file

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/flock"
)

// ledgerName is the file with the directory's ledger. It is no name of a lock
// file, which all have a dash.
const ledgerName = "distlock.ledger"

// A ledger allots tokens to the files of a directory: each token once, in order,
// and never less than the clock says. It is a file with one number, up to which
// everything has been allotted, and the number's complement, without which it
// counts as lost. It is locked for some microseconds each time, or as long as a
// flush of the disk takes. Others may keep it for longer, so whoever locks it holds
// no mutex; that of a file may be taken while it is locked.
//
// If it is lost, with a whole directory or by a power failure, the clock stands
// in for it: tokens then still grow unless the clock was set back meanwhile, or that
// of another machine is behind, or more than 2 million tokens a second had been drawn.
type ledger struct {
	p        *Provider
	patience time.Duration

	turn chan struct{} // full while somebody of this provider locks or uses it

	// Of whoever has the turn.
	f      *flock.File // nil: not open
	busy   time.Time   // since when others were found to have it locked; zero: they were not
	closed bool
}

// A ledgerLock is the ledger while it is locked.
type ledgerLock struct{ f *flock.File }

// patience is how long the ledger may be locked by others. Whoever locks it does
// a few system calls, one of which may be a flush of the disk; only a process
// that is stopped right then takes longer.
const patience = 5 * time.Second

// locked calls use with the ledger locked. Those of this provider wait one after the
// other, but all for the same time: whoever had to wait for one who has given up does
// so too. As long as some get the ledger, the patience of the others begins anew. A
// wait ends when ctx does, or when the provider is closed.
func (l *ledger) locked(ctx context.Context, use func(*ledgerLock) error) error {
	start := time.Now()
	closing := l.p.engine.Context().Done()
	select {
	case l.turn <- struct{}{}:
	case <-closing:
		return core.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.turn }()
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		ok, err := l.lock()
		if err != nil {
			return err
		}
		if ok {
			l.busy = time.Time{}
			break
		}
		if l.busy.IsZero() {
			l.busy = time.Now()
		}
		if min(time.Since(start), time.Since(l.busy)) > l.patience {
			return fmt.Errorf("%w: %s was locked for %v (a process was stopped there; let it go on, or end it)",
				core.ErrUnavailable, filepath.Join(l.p.folder.path, ledgerName), l.patience)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			continue
		case <-closing:
			err = core.ErrClosed
		case <-ctx.Done():
			err = ctx.Err()
		}
		timer.Stop()
		return err
	}
	err := use(&ledgerLock{l.f})
	if uerr := l.f.Unlock(); uerr != nil {
		l.drop()
	}
	return err
}

// lock makes one attempt. A ledger that was removed is made again.
func (l *ledger) lock() (bool, error) {
	if l.closed {
		return false, core.ErrClosed
	}
	if l.f == nil {
		f, err := l.p.openFile(ledgerName)
		if err != nil {
			return false, err
		}
		l.f = f
	}
	ok, err := l.f.TryLock(false)
	if err != nil || !ok {
		return false, err
	}
	// Stands would not tell that a directory above was renamed.
	if err := l.f.Named(); err != nil {
		l.drop() // It must not stay locked.
		if errors.Is(err, flock.ErrRemoved) {
			err = nil
		}
		return false, err
	}
	return true, nil
}

func (l *ledger) drop() {
	_ = l.f.Close()
	l.f = nil
}

func (l *ledger) close() {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	l.closed = true
	if l.f != nil {
		l.drop()
	}
}

// allot returns the token below the n that it allots: base+1 to base+n. They are
// above floor, and above everything that was allotted before.
func (l *ledgerLock) allot(floor, n uint64) (base uint64, err error) {
	var b [16]byte
	if _, err := l.f.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	word := binary.NativeEndian
	last := word.Uint64(b[:])
	if last != ^word.Uint64(b[8:]) || last > maxToken {
		last = 0 // New, or damaged.
	}
	base = max(floor, last, clock())
	if base > maxToken-n {
		return 0, fmt.Errorf("%w: the tokens are used up; use another directory", core.ErrUnavailable)
	}
	word.PutUint64(b[:], base+n)
	word.PutUint64(b[8:], ^(base + n))
	_, err = l.f.WriteAt(b[:], 0)
	return base, err
}

// endure makes the ledger durable, if it would otherwise not be known after a power
// failure that the token was drawn. By the clock it is, which will show at least a
// second more by then.
func (l *ledgerLock) endure(token uint64) error {
	if token <= clock()+second {
		return nil
	}
	return l.f.Sync()
}

// second is by how much the clock goes on in one second.
const second = 2_000_000

// clock returns the time as a token: two for each microsecond.
func clock() uint64 { return uint64(max(time.Now().UnixMicro(), 0)) * 2 }
