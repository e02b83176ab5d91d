//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package page

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/distlock/distlock-go/file/internal/flock"
)

// Maps says that pages are mapped here, by all processes, where the file system can
// do that.
const Maps = true

// Map returns the page of f, mapped if the file system can do that. What keeps only
// this process from it is an error.
func Map(f *flock.File) (*Page, error) {
	if err := Fit(f); err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(f.FD(), 0, Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	switch {
	case err == nil:
		return &Page{mem: mem}, nil
	case slices.ContainsFunc(unmappable, func(no unix.Errno) bool { return errors.Is(err, no) }):
		return Copy(f), nil
	}
	return nil, &fs.PathError{Op: "map", Path: f.Path(), Err: err}
}

// unmappable is how file systems say that they do not map files for reading and
// writing; see mmap(2). They say it to every process. One that lacks memory, mappings
// or a right (ENOMEM, EAGAIN, EACCES, EPERM) must not go on without a mapping: others
// have one, and do not know when the page is read and written back as a whole.
var unmappable = []unix.Errno{unix.ENODEV, unix.EINVAL, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS}

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
