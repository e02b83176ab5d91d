package file

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/core"
)

// refuseFlock makes flock(2) fail in all threads of this process from now on, as it
// does on a file system without locks.
func refuseFlock(errno unix.Errno) error {
	const load, equal, end = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	filter := []unix.SockFilter{
		{Code: load, K: 0}, // the number of the system call
		{Code: equal, K: unix.SYS_FLOCK, Jf: 1},
		{Code: end, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: end, K: unix.SECCOMP_RET_ALLOW},
	}
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
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFileSystemWithoutLocks$", "-test.v")
		cmd.Env = append(os.Environ(), "DISTLOCK_FILE_REFUSED="+name)
		out, err := cmd.CombinedOutput()
		switch {
		case strings.Contains(string(out), "--- SKIP"):
			t.Skipf("%s", out)
		case err != nil || !strings.Contains(string(out), "--- PASS"):
			t.Errorf("%s: %v\n%s", name, err, out)
		}
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
