package file

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/core"
)

// The parts of a filter of system calls.
const load, equal, end = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K

// refuseFlock makes flock(2) fail in all threads of this process from now on, as it
// does on a file system without locks.
func refuseFlock(errno unix.Errno) error {
	return refuse([]unix.SockFilter{
		{Code: load, K: 0}, // the number of the system call
		{Code: equal, K: unix.SYS_FLOCK, Jf: 1},
		{Code: end, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: end, K: unix.SECCOMP_RET_ALLOW},
	})
}

// refuseUnlock makes only the unlocking fail, as that of a file server may.
func refuseUnlock(errno unix.Errno) error {
	how := uint32(24) // where the lower half of the second argument is
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		how += 4
	}
	return refuse([]unix.SockFilter{
		{Code: load, K: 0},
		{Code: equal, K: unix.SYS_FLOCK, Jf: 3},
		{Code: load, K: how},
		{Code: equal, K: unix.LOCK_UN, Jf: 1},
		{Code: end, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: end, K: unix.SECCOMP_RET_ALLOW},
	})
}

// refuse has the kernel filter the system calls of this process.
func refuse(filter []unix.SockFilter) error {
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return e
	}
	return nil
}

// A file system without locks is an error that says so, and never a lock.
func TestFileSystemWithoutLocks(t *testing.T) {
	errnos := map[string]unix.Errno{"ENOLCK": unix.ENOLCK, "EOPNOTSUPP": unix.EOPNOTSUPP, "ENOSYS": unix.ENOSYS, "EINVAL": unix.EINVAL}
	if name := os.Getenv("DISTLOCK_FILE_REFUSED"); name != "" {
		withoutLocks(t, errnos[name])
		return
	}
	for name := range errnos {
		again(t, name)
	}
}

// again runs a test in another process, in which something is refused.
func again(t *testing.T, refused string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), "DISTLOCK_FILE_REFUSED="+refused)
	out, err := cmd.CombinedOutput()
	switch {
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	case err != nil || !strings.Contains(string(out), "--- PASS"):
		t.Errorf("%s: %v\n%s", refused, err, out)
	}
}

// An unlock that fails keeps nobody out, neither of the lock nor of the gate before
// it: the file is closed, at the latest when what the system told of it was seen to.
func TestUnlockThatFails(t *testing.T) {
	if os.Getenv("DISTLOCK_FILE_REFUSED") == "" {
		again(t, "LOCK_UN")
		return
	}
	if err := refuseUnlock(unix.EIO); err != nil {
		t.Skipf("system calls cannot be filtered here: %v", err)
	}
	for _, kind := range kinds {
		dir := t.TempDir()
		p, q, r := provider(t, dir, nil), provider(t, dir, nil), provider(t, dir, nil)
		release(t, try(t, of(p, kind)))
		h := try(t, of(q, kind))
		got := waitAsync(t, r, of(p, kind), kind)
		release(t, h)
		h = <-got
		if kind == core.KindSemaphore {
			release(t, h) // Its gate is open for its tokens until then.
		}
		gate := &turnstile{p: r, object: newObject(kind, "a")}
		eventually(t, "the gate is free", func() bool {
			g, err := gate.enter(nil)
			if err == nil {
				g.unbar()
			}
			return err == nil
		})
		if kind != core.KindSemaphore {
			release(t, h)
		}
		eventually(t, "the lock is free", func() bool {
			h, err := of(r, kind).TryAcquire(t.Context())
			if err == nil {
				release(t, h)
			}
			return err == nil
		})
	}
}

func withoutLocks(t *testing.T, errno unix.Errno) {
	t.Helper()
	dir := t.TempDir()
	p := provider(t, dir, nil)
	if err := refuseFlock(errno); err != nil {
		t.Skipf("system calls cannot be filtered here: %v", err)
	}
	for _, kind := range kinds {
		err := refuses(t, of(p, kind), core.ErrUnavailable, errors.ErrUnsupported, errno)
		names(t, err, dir, "has no locks", "local disk")
	}
	if err := p.Check(t.Context()); !errors.Is(err, core.ErrUnavailable) || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Check: %v", err)
	}
	for _, lf := range p.files.all() {
		if lf.mode != 0 || len(lf.claims) > 0 {
			t.Errorf("%s is held", lf.name)
		}
		p.files.put(lf)
	}
}
