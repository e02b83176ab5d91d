package page

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/distlock/distlock-go/file/internal/flock"
)

func open(t *testing.T, path string) (*flock.File, *Page) {
	t.Helper()
	f, err := flock.Open(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	p, err := Map(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return f, p
}

// Every way to the page shows what was written by every other way.
func TestPageIsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	_, a := open(t, path)
	f, b := open(t, path)
	c := Copy(f)
	for i, p := range []*Page{a, b, c} {
		off, v := 64+8*i, uint64(100+i)
		if err := p.Do(func() { p.Store(off, v) }); err != nil {
			t.Fatal(err)
		}
		for j, q := range []*Page{a, b, c} {
			var got uint64
			if err := q.Do(func() { got = q.Load(off) }); err != nil || got != v {
				t.Errorf("page %d shows %d, %v of what page %d has written, %d", j, got, err, i, v)
			}
		}
	}
	raw := make([]byte, Size)
	if _, err := f.ReadAt(raw, 0); err != nil && !errors.Is(err, io.EOF) || Words(raw)(64) != 100 {
		t.Errorf("the file has %d, %v", Words(raw)(64), err)
	}
}

// A copy writes back what was written to it, and nothing before, between and after.
func TestCopyLeavesTheRest(t *testing.T) {
	f, p := open(t, filepath.Join(t.TempDir(), "x"))
	c := Copy(f)
	var want [512]byte
	for round := range 2 {
		err := c.Do(func() {
			for i := range want { // What others write meanwhile.
				want[i] = byte(7 + round)
			}
			if _, err := f.WriteAt(want[:], 0); err != nil {
				t.Error(err)
			}
			for i, at := range []extent{{128, 136}, {256, 264}, {144, 152}, {136, 144}, {300, 301}, {262, 290}, {120, 130}, {296, 310}, {480, 488}, {250, 320}} {
				if round == 1 && i%2 == 0 {
					continue
				}
				b := bytes.Repeat([]byte{byte(100 + i)}, at.hi-at.lo)
				c.Write(at.lo, b)
				copy(want[at.lo:], b)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		var got [len(want)]byte
		if err := p.Do(func() { p.Read(0, got[:]) }); err != nil || got != want {
			t.Errorf("round %d: the page is\n%d, %v; want\n%d", round, got, err, want)
		}
	}
}

func TestTruncationIsAnErrorAndNoCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	f, p := open(t, path)
	if !p.Mapped() {
		t.Skip("pages are not mapped here")
	}
	if os.Getenv("DISTLOCK_TEST_QEMU") != "" && runtime.GOARCH != "386" {
		t.Skip("qemu does not tell where a fault was")
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	went := false
	err := p.Do(func() {
		p.Store(64, 1)
		went = true
	})
	if !errors.Is(err, ErrFault) || went {
		t.Fatalf("a store to a page that is gone: %v", err)
	}
	if err := Fit(f); err != nil {
		t.Fatal(err)
	}
	if err := p.Do(func() { p.Store(64, 1) }); err != nil {
		t.Errorf("the page is back: %v", err)
	}
}

// A panic that is no fault of the page is not swallowed.
func TestOtherPanicsGoOn(t *testing.T) {
	_, p := open(t, filepath.Join(t.TempDir(), "x"))
	defer func() {
		if recover() == nil {
			t.Error("a panic of the caller was swallowed")
		}
	}()
	_ = p.Do(func() {
		var nobody *Page
		_ = nobody.mem[0]
	})
}
