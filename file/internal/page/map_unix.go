//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package page

import (
	"fmt"

	"github.com/distlock/distlock-go/file/internal/flock"
	"golang.org/x/sys/unix"
)

// Map returns the page of f, mapped if the file system can do that. It gives the
// file the page if that is missing, so that no later access needs room on the
// disk.
func Map(f *flock.File) (*Page, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size < Size {
		if err := Extend(f); err != nil {
			return nil, err
		}
	}
	mem, err := unix.Mmap(f.FD(), 0, Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return Copy(f), nil //nolint:nilerr // Not every file system maps files.
	}
	return &Page{mem: mem}, nil
}

// Extend gives a file that is too short its page. Truncating to a greater size
// overwrites nothing that another process may write at the same time; the last
// byte, which has no meaning, makes the file system find room now.
func Extend(f *flock.File) error {
	if err := f.Truncate(Size); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte{0}, flock.RingOffset)
	return err
}

// Close unmaps the page.
func (p *Page) Close() error {
	if p.file != nil {
		return nil
	}
	if err := unix.Munmap(p.mem); err != nil {
		return fmt.Errorf("unmap: %w", err)
	}
	return nil
}
