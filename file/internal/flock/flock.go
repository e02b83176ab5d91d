// Package flock opens files by rules that are safe in a directory to which
// others can write, and locks them.
//
// The locks are those of flock(2), and of LockFileEx on Windows. Both belong to
// the open file and not to the process, so two files that were opened from one
// path exclude each other also within a process, and closing one does not free
// the lock of the other; the locks of fcntl(2) do neither.
package flock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Errors that say why a path cannot be opened as a lock file.
var (
	// ErrSymlink: a symbolic link is there. Whoever planted it would have us
	// create or lock a file of their choice.
	ErrSymlink = errors.New("it is a symbolic link")

	// ErrNotFile: a directory, pipe, socket or device is there.
	ErrNotFile = errors.New("it is not a regular file")

	// ErrInUse: others have the file open, and here it cannot be removed then.
	ErrInUse = errors.New("others have it open")

	// ErrRemoved: the path no longer names the file that was opened.
	ErrRemoved = errors.New("the lock file was removed or replaced")
)

// Open opens a file for locking, and creates it if it is missing.
//
// It opens without O_CREAT first: in a world-writable directory with the sticky
// bit, Linux refuses O_CREAT on a file of another user even to root
// (fs.protected_regular). It never follows a symbolic link, never blocks on a
// pipe, and refuses whatever is not a regular file. mode is set on a file that
// it creates, whatever the umask.
func Open(path string, mode fs.FileMode) (*File, error) {
	return open(path, func() (*File, error) { return create(path, mode) })
}

// OpenExisting is Open for a file that must be there.
func OpenExisting(path string) (*File, error) {
	return open(path, nil)
}

// TemporarySuffix is in the name of a file that is not yet complete.
const TemporarySuffix = ".tmp-"

// open opens path by the first of two ways that works: as it is or, if it is
// missing and create is given, anew. Between the two others may create it or
// remove it, so it goes back and forth, for a while.
func open(path string, create func() (*File, error)) (*File, error) {
	var f *File
	var err error
	for range 100 {
		f, err = openAsIs(path)
		if create != nil && errors.Is(err, fs.ErrNotExist) {
			f, err = create()
			if errors.Is(err, fs.ErrExist) {
				continue
			}
		}
		if !transient(err) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		return nil, explain(path, err)
	}
	return f, nil
}

// explain says what is in the way, if that is why a path could not be opened.
func explain(path string, err error) error {
	info, lerr := os.Lstat(path)
	switch {
	case lerr != nil || errors.Is(err, ErrSymlink) || errors.Is(err, ErrNotFile):
	case info.Mode()&fs.ModeSymlink != 0:
		err = ErrSymlink
	case !info.Mode().IsRegular():
		err = ErrNotFile
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	return &fs.PathError{Op: "open", Path: path, Err: err}
}

// unsupported wraps an error that says that a file system has no locks.
func unsupported(path string, err error) error {
	return &fs.PathError{Op: "lock", Path: path, Err: fmt.Errorf("%w: %w", errors.ErrUnsupported, err)}
}
