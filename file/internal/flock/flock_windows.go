package flock

import (
	"errors"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sys/windows"
)

// A File is an open file that can be locked. Its methods must not be called at
// the same time, except for ReadAt, WriteAt, Size, Ring and Sync.
//
// It is opened without FILE_SHARE_DELETE. As long as anybody has it open nobody
// can remove or rename it, so a lock cannot be lost that way.
type File struct {
	handle windows.Handle
	path   string
}

const share = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE

func openAsIs(path string) (*File, error) {
	return opened(path, windows.GENERIC_READ|windows.GENERIC_WRITE, share, windows.OPEN_EXISTING, 0)
}

// create makes the file with the access rights that it inherits; mode has no
// meaning here.
func create(path string, _ fs.FileMode) (*File, error) {
	return opened(path, windows.GENERIC_READ|windows.GENERIC_WRITE, share, windows.CREATE_NEW, 0)
}

// denials is how often access must be denied for that to be told: it is also what
// CreateFile says of a file that is being deleted, which is soon over.
const denials = 10

func opened(path string, access, share, disposition, flags uint32) (*File, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	var h windows.Handle
	for try := range denials {
		if try > 0 {
			time.Sleep(time.Millisecond)
		}
		// A reparse point is opened itself, and refused, and not what it points to.
		h, err = windows.CreateFile(name, access, share, nil, disposition,
			windows.FILE_ATTRIBUTE_NORMAL|windows.FILE_FLAG_OPEN_REPARSE_POINT|flags, 0)
		if !errors.Is(err, windows.ERROR_ACCESS_DENIED) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	f := &File{handle: h, path: path}
	var info windows.ByHandleFileInformation
	kind, err := windows.GetFileType(h)
	if err == nil && kind != windows.FILE_TYPE_DISK {
		err = ErrNotFile
	}
	if err == nil {
		err = windows.GetFileInformationByHandle(h, &info)
	}
	switch {
	case err != nil:
	case info.FileAttributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0:
		err = ErrSymlink
	case info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0:
		err = ErrNotFile
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// transient reports whether an error of opening may pass by itself: so it does
// when the file is being deleted, or looked at by a virus scanner.
func transient(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_DELETE_PENDING)
}

// The locked byte lies far beyond the end of any file, because a lock here also
// keeps others from reading what it covers. The last two offsets are known to
// upset some servers.
const offset = 1<<62 - 1

func region() *windows.Overlapped {
	return &windows.Overlapped{Offset: offset & (1<<32 - 1), OffsetHigh: offset >> 32}
}

// TryLock locks the file, shared or exclusively, unless another open file of it
// has a lock that conflicts. An error that matches errors.ErrUnsupported says
// that the file system has no locks. A file that is locked already must not be
// locked again.
func (f *File) TryLock(shared bool) (bool, error) {
	how := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if !shared {
		how |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := windows.LockFileEx(f.handle, how, 0, 1, 0, region())
	switch {
	case err == nil:
		f.acquired()
		return true, nil
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Is(err, windows.ERROR_IO_PENDING):
		return false, nil
	case errors.Is(err, windows.ERROR_NOT_SUPPORTED), errors.Is(err, windows.ERROR_INVALID_FUNCTION),
		errors.Is(err, windows.ERROR_CALL_NOT_IMPLEMENTED):
		return false, unsupported(f.path, err)
	default:
		return false, &fs.PathError{Op: "lock", Path: f.path, Err: err}
	}
}

// Unlock gives the lock up. If it fails the file should be closed, which gives
// the lock up for sure.
func (f *File) Unlock() error {
	f.releasing()
	if err := windows.UnlockFileEx(f.handle, 0, 1, 0, region()); err != nil {
		return &fs.PathError{Op: "unlock", Path: f.path, Err: err}
	}
	return nil
}

// Stands returns nil: an open file keeps its name.
func (f *File) Stands() error { return nil }

// Named returns nil: an open file keeps its name. That a junction on the path leads
// elsewhere by now is not seen.
func (f *File) Named() error { return nil }

// Remove deletes the file, unless anybody else has it open. It closes f first,
// because an open file cannot be removed; the caller's lock goes with it, and
// nobody who comes in between is harmed, since Remove then fails.
func (f *File) Remove() error {
	if err := f.Close(); err != nil {
		return err
	}
	x, err := opened(f.path, windows.DELETE|windows.GENERIC_READ, 0, windows.OPEN_EXISTING, windows.FILE_FLAG_DELETE_ON_CLOSE)
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		err = ErrInUse
	}
	if err != nil {
		return &fs.PathError{Op: "remove", Path: f.path, Err: err}
	}
	return x.Close()
}

// Ring does nothing: here waiters poll.
func (f *File) Ring() {}

// Path returns the path that the file was opened by.
func (f *File) Path() string { return f.path }

// Size returns the size of the file.
func (f *File) Size() (int64, error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(f.handle, &info); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: f.path, Err: err}
	}
	return int64(info.FileSizeHigh)<<32 | int64(info.FileSizeLow), nil
}

// Sync makes what was written durable.
func (f *File) Sync() error {
	if err := windows.FlushFileBuffers(f.handle); err != nil {
		return &fs.PathError{Op: "sync", Path: f.path, Err: err}
	}
	return nil
}

func at(off int64) *windows.Overlapped {
	return &windows.Overlapped{Offset: uint32(off), OffsetHigh: uint32(off >> 32)}
}

// ReadAt implements io.ReaderAt.
func (f *File) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		var m uint32
		err := windows.ReadFile(f.handle, b[n:], &m, at(off+int64(n)))
		if errors.Is(err, windows.ERROR_HANDLE_EOF) || err == nil && m == 0 {
			return n, io.EOF
		}
		if err != nil {
			return n, &fs.PathError{Op: "read", Path: f.path, Err: err}
		}
		n += int(m)
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (f *File) WriteAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		var m uint32
		if err := windows.WriteFile(f.handle, b[n:], &m, at(off+int64(n))); err != nil {
			return n, &fs.PathError{Op: "write", Path: f.path, Err: err}
		}
		n += int(m)
	}
	return n, nil
}

// Close closes the file, which gives up its lock. Closing again does nothing.
func (f *File) Close() error {
	h := f.handle
	if h == windows.InvalidHandle {
		return nil
	}
	f.handle = windows.InvalidHandle
	if err := windows.CloseHandle(h); err != nil {
		return &fs.PathError{Op: "close", Path: f.path, Err: err}
	}
	return nil
}
