package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/page"
)

// next acquires and releases, and checks that the token is greater than the last.
func next(t *testing.T, l core.Lock, last uint64) uint64 {
	t.Helper()
	h := try(t, l)
	defer release(t, h)
	if h.Token() <= last {
		t.Fatalf("token %d comes after token %d", h.Token(), last)
	}
	return h.Token()
}

func TestTokensFollowEachOther(t *testing.T) {
	dir := t.TempDir()
	p, q := provider(t, dir, nil), provider(t, dir, nil)
	last := next(t, p.NewLock("a"), 0)
	if clock := clock(); last > clock || last < clock-10_000_000*2 {
		t.Errorf("the first token is %d; the clock is at %d", last, clock)
	}
	for i := range 3 * reserve {
		l := p.NewLock("a")
		if i%2 == 1 {
			l = q.NewLock("a")
		}
		token := next(t, l, last)
		if i < firstReserve-1 && p.boot != 0 && token != last+1 { // Else each process has its own.
			t.Fatalf("token %d follows token %d, in one allotment", token, last)
		}
		last = token
	}
}

// Scenarios 120 and 61: whatever becomes of the file or of the ledger, or of both
// one after the other, tokens do not go back.
func TestTokensNeverGoBack(t *testing.T) {
	harms := map[string]func(path string) error{
		"truncated":      func(path string) error { return os.Truncate(path, 0) },
		"half truncated": func(path string) error { return os.Truncate(path, 70) },
		"zeros":          func(path string) error { return overwrite(path, 0, make([]byte, page.Size)) },
		"garbage":        func(path string) error { return overwrite(path, 0, garbage(page.Size)) },
		"garbage in the counter": func(path string) error {
			return overwrite(path, atNext, garbage(atBoot-atNext))
		},
		"a bit of the counter": func(path string) error { return flip(path, atNext) },
		"a bit of the mark":    func(path string) error { return flip(path, atMark) },
		"another boot":         func(path string) error { return overwrite(path, atBoot, garbage(8)) },
		"removed":              os.Remove,
		"nothing":              func(string) error { return nil },
	}
	ledgers := []string{"removed", "garbage", "nothing"}
	if runtime.GOOS == "windows" { // A file that is open cannot be removed there.
		delete(harms, "removed")
		ledgers = ledgers[1:]
	}
	if os.Getenv("DISTLOCK_TEST_QEMU") != "" && runtime.GOARCH != "386" { // qemu does not tell where a fault was.
		delete(harms, "truncated")
	}
	for _, kind := range kinds {
		for name, harm := range harms {
			for _, ledger := range ledgers {
				t.Run(fmt.Sprintf("%s/%s/ledger %s", kind, name, ledger), func(t *testing.T) {
					dir := t.TempDir()
					p, q := provider(t, dir, nil), provider(t, dir, nil)
					last := uint64(0)
					for range 3 {
						last = next(t, of(p, kind), last)
						if err := harm(mainPath(dir, kind, "a")); err != nil {
							t.Fatal(err)
						}
						if err := harms[ledger](filepath.Join(dir, ledgerName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
							t.Fatal(err)
						}
						last = next(t, of(q, kind), last)
						last = next(t, of(provider(t, dir, nil), kind), last)
					}
					if most := clock() + 100*firstReserve; last > most {
						t.Errorf("the token ran far ahead, to %d; the clock is at %d", last, most)
					}
				})
			}
		}
	}
}

// of returns the object "a" of a kind, of which a holder is alone.
func of(p *Provider, kind core.Kind) core.Lock {
	switch kind {
	case core.KindRWLock:
		return core.Writer(p.NewRWLock("a"))
	case core.KindSemaphore:
		return p.NewSemaphore("a", 1)
	}
	return p.NewLock("a")
}

func overwrite(path string, at int64, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Close())
}

func garbage(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// One word in 2048 looks like one of the counter's. Such garbage must neither take
// tokens back nor, which cannot be undone, make them run ahead. Torture met it.
func TestGarbageThatPassesForACounter(t *testing.T) {
	const behind, ahead = 1_000_000, maxToken - 10*reserve
	for _, garbage := range []uint64{behind, ahead} {
		for _, words := range [][]int{{atNext}, {atMark}, {atReserved}, {}} {
			dir := t.TempDir()
			p := provider(t, dir, nil)
			last := next(t, p.NewLock("a"), 0)
			b := binary.NativeEndian.AppendUint64(nil, seal(garbage))
			for _, at := range words {
				if err := overwrite(mainPath(dir, core.KindLock, "a"), int64(at), b); err != nil {
					t.Fatal(err)
				}
			}
			if len(words) == 0 {
				if err := overwrite(filepath.Join(dir, ledgerName), 0, b); err != nil {
					t.Fatal(err)
				}
			}
			q := provider(t, dir, nil)
			for range 3 * firstReserve { // Past the next allotment.
				last = next(t, q.NewLock("a"), last)
			}
			if most := clock() + 100*reserve; last > most {
				t.Errorf("garbage at %v: the token ran far ahead, to %d; the clock is at %d", words, last, most)
			}
		}
	}
}

// flip changes one bit of a token.
func flip(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b := make([]byte, 8)
	_, err = f.ReadAt(b, at)
	b[rand.IntN(6)] ^= 1 << rand.IntN(8)
	return errors.Join(err, f.Close(), overwrite(path, at, b))
}

// A machine that loses power forgets what was not made durable. What was durable
// is the mark, so tokens go on from there.
func TestTokensAfterAPowerFailure(t *testing.T) {
	dir := t.TempDir()
	p := provider(t, dir, nil)
	path := mainPath(dir, core.KindLock, "a")
	last := next(t, p.NewLock("a"), 0)
	for range firstReserve { // So that the mark was set once more, and made durable.
		last = next(t, p.NewLock("a"), last)
	}
	durable, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for range reserve / 2 {
		last = next(t, p.NewLock("a"), last)
	}
	// The counter is an old one now. The ledger is lost, and the clock was set back.
	if err := os.WriteFile(path, durable, 0o600); err != nil {
		t.Fatal(err)
	}
	later := provider(t, dir, nil)
	later.boot++
	next(t, later.NewLock("a"), last)
}

// Where there is no boot id, every process that opens the file supposes that the
// machine was booted.
func TestTokensWithoutABootID(t *testing.T) {
	dir := t.TempDir()
	last := uint64(0)
	for range 3 {
		p := provider(t, dir, nil)
		p.boot = 0
		mark := last
		last = next(t, p.NewLock("a"), last)
		if last <= mark+firstReserve/2 && mark != 0 {
			t.Errorf("token %d follows token %d although the machine may have been booted", last, mark)
		}
		if token := next(t, p.NewLock("a"), last); token != last+1 {
			t.Errorf("token %d follows token %d of one process", token, last)
		} else {
			last = token
		}
	}
}

// The ledger allots nothing twice, and not before its time.
func TestLedger(t *testing.T) {
	p := provider(t, t.TempDir(), nil)
	var last uint64
	for _, floor := range []uint64{0, 0, clock() + 1_000_000, 0} {
		before := clock()
		err := p.ledger.locked(t.Context(), func(l *ledgerLock) error {
			base, err := l.allot(floor, 10)
			if base < last || base < floor || base < before {
				t.Errorf("allotted from %d, after %d, for a floor of %d", base, last, floor)
			}
			last = base + 10
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := p.ledger.locked(t.Context(), func(l *ledgerLock) error {
		_, err := l.allot(maxToken-5, 10)
		return err
	})
	if !errors.Is(err, core.ErrUnavailable) {
		t.Errorf("tokens beyond the last one: %v", err)
	}
}

func FuzzSeal(f *testing.F) {
	f.Add(uint64(1), uint(3))
	f.Fuzz(func(t *testing.T, token uint64, bit uint) {
		token &= maxToken
		if got := unseal(seal(token)); got != token {
			t.Errorf("%d becomes %d", token, got)
		}
		if token != 0 {
			if got := unseal(seal(token) ^ 1<<(bit%64)); got != 0 {
				t.Errorf("a flipped bit of %d is not noticed: %d", token, got)
			}
		}
	})
}
