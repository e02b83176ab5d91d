package testenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A server that was killed and forgotten leaves no shared memory, of which a machine
// has only so much.
func TestPostgresLeavesNoSharedMemory(t *testing.T) {
	t.Parallel()
	pg, err := StartPostgres(t.Context(), PostgresConfig{})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			_ = pg.Close()
		}
	})
	here, ok := pg.launcher.(*local)
	if !ok {
		t.Skip("the server runs in a container, which keeps its memory to itself")
	}
	if kind := query[string](t, connect(t, pg.URL()), "SHOW dynamic_shared_memory_type"); kind != "mmap" {
		t.Errorf("its dynamic shared memory is of %s, and would outlive it", kind)
	}
	content, err := os.ReadFile(filepath.Join(here.work, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	var key, id int
	if _, err := fmt.Sscan(strings.Split(string(content), "\n")[6], &key, &id); err != nil {
		t.Fatalf("%v in %q", err, content)
	}
	var segment unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &segment); err != nil || segment.Nattch == 0 {
		t.Fatalf("a server that runs has %d processes at its segment: %v", segment.Nattch, err)
	}
	closed = true
	if err := errors.Join(pg.Kill(), pg.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &segment); err == nil && int(segment.Perm.Key) == key {
		t.Error("its segment is still there")
	}
}
