package torture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// A volume is a small file system in memory.
type volume struct{ path string }

// mount makes one, if the process may.
func mount(size string) (*volume, error) {
	dir, err := os.MkdirTemp("", "torture")
	if err != nil {
		return nil, err
	}
	if err := unix.Mount("torture", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		return nil, errors.Join(fmt.Errorf("mount: %w", err), os.Remove(dir))
	}
	return &volume{dir}, nil
}

// fill leaves no room, for a while.
func (v *volume) fill(while time.Duration) error {
	ballast := filepath.Join(v.path, "ballast")
	f, err := os.Create(ballast)
	if errors.Is(err, unix.ENOSPC) {
		return nil // There was none.
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(f, endless{})
	if errors.Is(err, unix.ENOSPC) {
		err = nil
	}
	time.Sleep(while)
	return errors.Join(err, f.Close(), os.Remove(ballast))
}

// endless is what fills everything.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// Close takes it away, with all that is in it.
func (v *volume) Close() error {
	return errors.Join(unix.Unmount(v.path, unix.MNT_DETACH), os.Remove(v.path))
}
