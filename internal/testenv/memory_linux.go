package testenv

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// removeMemory removes the shared memory that a PostgreSQL server leaves behind
// which was killed: a System V segment, by which the next server on the same data
// would learn that processes of the last one still live. Its id is on the seventh
// line of postmaster.pid. The system has room for some thousands of them.
func removeMemory(work string) error {
	content, err := os.ReadFile(filepath.Join(work, "data", "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // There was no server, or it has ended well.
	}
	if err != nil {
		return err
	}
	lines := strings.Split(string(content), "\n")
	var key, id int
	if len(lines) < 7 {
		return nil // It was killed before it had one.
	}
	if n, _ := fmt.Sscan(lines[6], &key, &id); n < 2 {
		return nil
	}
	var now unix.SysvShmDesc
	_, err = unix.SysvShmCtl(id, unix.IPC_STAT, &now)
	if err == nil && int(now.Perm.Key) == key && now.Nattch == 0 { // It is not somebody else's by now.
		_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EIDRM) {
		return nil
	}
	return err
}
