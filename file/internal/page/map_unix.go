//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package page

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/file/internal/flock"
)

// Map returns the page of f, mapped if the file system can do that.
func Map(f *flock.File) (*Page, error) {
	if err := Fit(f); err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(f.FD(), 0, Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return Copy(f), nil //nolint:nilerr // Not every file system maps files.
	}
	return &Page{mem: mem}, nil
}

// Fit gives a file that is too short its page. What is in memory beyond the end
// of a file may be forgotten at any time, and beyond the page that the end is in
// it is a fault.
func Fit(f *flock.File) error {
	size, err := f.Size()
	if err != nil || size >= Size {
		return err
	}
	return Repair(f)
}

// Repair gives a file its page, and room for it on the disk; the error says why
// that cannot be. It overwrites nothing that another process may write at the same
// time: only the last byte, which has no meaning. And it does not set the size: by
// now another process may have made the file longer.
func Repair(f *flock.File) error {
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
