//go:build darwin || dragonfly || freebsd || illumos || linux || netbsd || openbsd

package flock

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// A File is an open file that can be locked. Its methods must not be called at
// the same time, except for ReadAt, WriteAt, Size, Ring and Sync.
type File struct {
	fd   int
	path string
	dev  uint64
	ino  uint64

	named bool          // the path was seen to name this file
	ctime unix.Timespec // of the file then
}

func openAsIs(path string) (*File, error) {
	// O_RDWR because on NFS an exclusive lock needs a file that is open for
	// writing, and a shared one a file that is open for reading.
	return opened(path, unix.O_RDWR)
}

// create makes the file. One that others may use gets its mode under another
// name first: under its own, they would be refused until then.
func create(path string, mode fs.FileMode) (*File, error) {
	if mode.Perm()&0o077 == 0 {
		return createAs(path, mode)
	}
	tmp := path + TemporarySuffix + rand.Text()[:8]
	f, err := createAs(tmp, mode)
	if err != nil {
		return nil, err
	}
	err = retry(func() error { return unix.Link(tmp, path) })
	_ = unix.Unlink(tmp)
	if err == nil {
		f.path = path
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return createAs(path, mode) // There are no links on this file system.
}

func createAs(path string, mode fs.FileMode) (*File, error) {
	f, err := opened(path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return nil, err
	}
	if err := retry(func() error { return unix.Fchmod(f.fd, uint32(mode.Perm())) }); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func opened(path string, flags int) (*File, error) {
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Open(path, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0o600)
		return err
	})
	if err != nil {
		return nil, err
	}
	f := &File{fd: fd, path: path}
	var st unix.Stat_t
	err = f.stat(&st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = ErrNotFile
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	f.dev, f.ino = uint64(st.Dev), uint64(st.Ino) //nolint:unconvert // The types differ by platform.
	return f, nil
}

// TryLock locks the file, shared or exclusively, unless another open file of it
// has a lock that conflicts. An error that matches errors.ErrUnsupported says
// that the file system has no locks. A file that is locked already must not be
// locked in the other mode: the conversion is not atomic, and may lose both.
func (f *File) TryLock(shared bool) (bool, error) {
	how := unix.LOCK_EX
	if shared {
		how = unix.LOCK_SH
	}
	err := unix.Flock(f.fd, how|unix.LOCK_NB)
	for interrupted(err) {
		err = unix.Flock(f.fd, how|unix.LOCK_NB)
	}
	switch {
	case err == nil:
		f.acquired()
		return true, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, nil
	}
	return false, lockError(f.path, err)
}

// lockError says that a file system has no locks, if that is what err means.
func lockError(path string, err error) error {
	for _, no := range []error{unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL, unix.ENOLCK} {
		if errors.Is(err, no) {
			return unsupported(path, err)
		}
	}
	return &fs.PathError{Op: "lock", Path: path, Err: err}
}

// Unlock gives the lock up. If it fails the file should be closed, which gives
// the lock up for sure.
func (f *File) Unlock() error {
	f.releasing()
	err := unix.Flock(f.fd, unix.LOCK_UN)
	for interrupted(err) {
		err = unix.Flock(f.fd, unix.LOCK_UN)
	}
	if err != nil {
		return &fs.PathError{Op: "unlock", Path: f.path, Err: err}
	}
	return nil
}

// Stands returns nil while the path names this file, and otherwise an error that
// matches ErrRemoved. Any other error means that it cannot be told.
//
// The first call compares the inode that the path names with this one. Later
// ones take a single fstat(2) as long as nobody has changed the file's inode:
// the last unlink shows in the count of links at once, and a rename or a new
// link in the time of change. Two changes within one tick of the file system's
// clock bear the same time, so a time is relied upon only if it was older than a
// tick when the path was compared: a later change has a later one. (With a file
// server, that is so if its clock is not behind ours.) A file system that counts
// in seconds is asked for the name each time. The rename of a directory above
// does not show at all; see Named.
func (f *File) Stands() error {
	var st unix.Stat_t
	if err := f.stat(&st); err != nil {
		return fmt.Errorf("%w: %w", ErrRemoved, err) // The file server has forgotten it.
	}
	switch {
	case st.Nlink == 0:
		return ErrRemoved
	case f.named && st.Ctim == f.ctime && st.Ctim.Nsec != 0:
		return nil
	}
	past := past(st.Ctim)
	if err := f.Named(); err != nil {
		return err
	}
	f.named, f.ctime = past, st.Ctim
	return nil
}

// Named is Stands by a look at the path, whatever was seen before.
func (f *File) Named() error {
	var st unix.Stat_t
	err := retry(func() error { return unix.Lstat(f.path, &st) })
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ESTALE):
		return ErrRemoved
	case err != nil:
		return &fs.PathError{Op: "stat", Path: f.path, Err: err}
	case uint64(st.Dev) != f.dev || uint64(st.Ino) != f.ino: //nolint:unconvert // The types differ by platform.
		return ErrRemoved
	}
	return nil
}

// Remove unlinks the path. The caller must hold the lock and have seen that the
// path names this file. The file stays open.
func (f *File) Remove() error {
	if err := retry(func() error { return unix.Unlink(f.path) }); err != nil {
		return &fs.PathError{Op: "remove", Path: f.path, Err: err}
	}
	return nil
}

// FD returns the descriptor.
func (f *File) FD() int { return f.fd }

// Path returns the path that the file was opened by.
func (f *File) Path() string { return f.path }

// Size returns the size of the file.
func (f *File) Size() (int64, error) {
	var st unix.Stat_t
	if err := f.stat(&st); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: f.path, Err: err}
	}
	return st.Size, nil
}

func (f *File) stat(st *unix.Stat_t) error {
	err := unix.Fstat(f.fd, st)
	for interrupted(err) {
		err = unix.Fstat(f.fd, st)
	}
	return err
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		err = retry(func() (err error) { m, err = unix.Pread(f.fd, b[n:], off+int64(n)); return err })
		if n += max(m, 0); m == 0 && err == nil {
			return n, io.EOF
		}
	}
	if err != nil {
		err = &fs.PathError{Op: "read", Path: f.path, Err: err}
	}
	return n, err
}

// WriteAt implements io.WriterAt.
func (f *File) WriteAt(b []byte, off int64) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		err = retry(func() (err error) { m, err = unix.Pwrite(f.fd, b[n:], off+int64(n)); return err })
		n += max(m, 0)
	}
	if err != nil {
		err = &fs.PathError{Op: "write", Path: f.path, Err: err}
	}
	return n, err
}

// Close closes the file, which gives up its lock.
func (f *File) Close() error {
	if err := unix.Close(f.fd); err != nil {
		return &fs.PathError{Op: "close", Path: f.path, Err: err}
	}
	return nil
}

// retry calls f again while a signal interrupts it.
func retry(f func() error) error {
	for {
		if err := f(); !interrupted(err) {
			return err
		}
	}
}

// interrupted reports whether a signal interrupted a system call. Some FUSE
// servers let the kernel's own number for that out, 512 (ERESTARTSYS).
func interrupted(err error) bool {
	return err != nil && (errors.Is(err, unix.EINTR) || errors.Is(err, unix.Errno(512)))
}

// transient reports whether an error of opening may pass by itself.
func transient(error) bool { return false }
