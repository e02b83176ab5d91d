package file

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/core"
)

// refuseMap makes the mapping of files that are shared fail.
func refuseMap(errno unix.Errno) error {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		return errors.ErrUnsupported // The arguments are passed in other ways.
	}
	how := uint32(40) // where the lower half of the fourth argument is
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		how += 4
	}
	return refuse([]unix.SockFilter{
		{Code: load, K: 0},
		{Code: equal, K: unix.SYS_MMAP, Jf: 3},
		{Code: load, K: how},
		{Code: equal, K: unix.MAP_SHARED, Jf: 1},
		{Code: end, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: end, K: unix.SECCOMP_RET_ALLOW},
	})
}

// What keeps only this process from mapping a file is an error that says what to do.
// It must not go on without: see [TestWaitForWhatIsNotMapped] for one reason, and
// others who have the page mapped would draw its tokens too.
func TestMapThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		errno unix.Errno
		cure  string // empty: the file system cannot map files
	}{
		"ENOMEM":     {unix.ENOMEM, "vm.max_map_count"},
		"EAGAIN":     {unix.EAGAIN, "ulimit -l"},
		"EACCES":     {unix.EACCES, "security policy"},
		"EPERM":      {unix.EPERM, "security policy"},
		"ENODEV":     {unix.ENODEV, ""},
		"EINVAL":     {unix.EINVAL, ""},
		"EOPNOTSUPP": {unix.EOPNOTSUPP, ""},
	} {
		switch os.Getenv("DISTLOCK_FILE_REFUSED") {
		case "":
			again(t, name)
		case name:
			withoutMaps(t, c.errno, c.cure)
		}
	}
}

func withoutMaps(t *testing.T, errno unix.Errno, cure string) {
	t.Helper()
	dir := t.TempDir()
	p, q := provider(t, dir, nil), provider(t, dir, nil)
	if err := refuseMap(errno); err != nil {
		t.Skipf("system calls cannot be filtered here: %v", err)
	}
	for _, kind := range kinds {
		if cure != "" {
			names(t, refuses(t, of(p, kind), core.ErrUnavailable, errno), dir, cure)
			continue
		}
		h := try(t, of(p, kind))
		got := waitAsync(t, p, of(q, kind), kind)
		last := h.Token()
		release(t, h)
		h = <-got
		if h.Token() <= last {
			t.Errorf("token %d comes after token %d", h.Token(), last)
		}
		release(t, h)
	}
	err := p.Check(t.Context())
	if cure == "" {
		if !errors.Is(err, ErrDegraded) {
			t.Errorf("Check: %v, want ErrDegraded", err)
		}
		return
	}
	if !errors.Is(err, core.ErrUnavailable) || !errors.Is(err, errno) {
		t.Errorf("Check: %v, want ErrUnavailable and %v", err, errno)
	}
}

// When no more files can be mapped, those that are idle are closed.
func TestTooManyMaps(t *testing.T) {
	if os.Getenv("DISTLOCK_FILE_REFUSED") == "" {
		again(t, "ENOMEM")
		return
	}
	p := provider(t, t.TempDir(), nil)
	h := try(t, p.NewLock("held"))
	for i := range 10 {
		release(t, try(t, p.NewLock(string(rune('a'+i)))))
	}
	if err := refuseMap(unix.ENOMEM); err != nil {
		t.Skipf("system calls cannot be filtered here: %v", err)
	}
	refuses(t, p.NewLock("new"), core.ErrUnavailable, unix.ENOMEM)
	if p.files.count != 0 {
		t.Errorf("%d files are idle", p.files.count)
	}
	release(t, h)
}

// The token of a page that is not mapped rests on the clock, or on a durable ledger: one
// that is ahead of the clock is not given out before.
func TestLedgerAheadOfTheClock(t *testing.T) {
	if os.Getenv("DISTLOCK_FILE_REFUSED") == "" {
		again(t, "fdatasync")
		return
	}
	dir := t.TempDir()
	p, err := newRemote(dir, new(Options))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	err = refuse([]unix.SockFilter{
		{Code: load, K: 0},
		{Code: equal, K: unix.SYS_FDATASYNC, Jf: 1},
		{Code: end, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EIO)},
		{Code: end, K: unix.SECCOMP_RET_ALLOW},
	})
	if err != nil {
		t.Skipf("system calls cannot be filtered here: %v", err)
	}
	for range 3 {
		release(t, try(t, p.NewLock("a")))
	}
	ahead := clock() + 3600*second
	b := binary.NativeEndian.AppendUint64(nil, ahead)
	b = binary.NativeEndian.AppendUint64(b, ^ahead)
	if err := overwrite(filepath.Join(dir, ledgerName), 0, b); err != nil {
		t.Fatal(err)
	}
	refuses(t, p.NewLock("a"), core.ErrUnavailable, unix.EIO)
}
