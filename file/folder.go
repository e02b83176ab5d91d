package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// A folder is the directory with the lock files.
type folder struct {
	path string
	mode fs.FileMode              // of files
	kind func(path string) string // host.Remote; tests have others

	mu     sync.Mutex
	ready  bool
	remote string // the kind of network file system it is on, or ""
}

// use makes the directory unless it is there, and checks that it can be trusted.
// It returns the kind of network file system that it is on, or "".
func (d *folder) use() (remote string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ready {
		return d.remote, nil
	}
	for range attempts {
		if err = d.make(); err == nil {
			err = d.check()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break // Others may make it or remove it at the same time.
		}
	}
	if err != nil {
		return "", err
	}
	d.remote, d.ready = d.kind(d.path), true
	return d.remote, nil
}

// missing makes the next use look again, because a file could not be made.
func (d *folder) missing() {
	d.mu.Lock()
	d.ready = false
	d.mu.Unlock()
}

// make makes the directory unless it is there.
func (d *folder) make() error {
	err := os.Mkdir(d.path, 0o700)
	switch {
	case err == nil && d.perm() != 0o700:
		return os.Chmod(d.path, d.perm())
	case errors.Is(err, fs.ErrExist):
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	above := os.MkdirAll(filepath.Dir(d.path), d.perm()&^fs.ModeSticky|0o700)
	if above == nil || errors.Is(above, fs.ErrExist) {
		return err // Try again.
	}
	return above
}

// perm returns the permissions of the directory that go with those of its files.
func (d *folder) perm() fs.FileMode {
	perm := d.mode | d.mode&0o444>>2
	if perm&0o002 != 0 {
		perm |= fs.ModeSticky
	}
	return perm
}

// check refuses a directory in which anybody could remove the files of others:
// they could end any hold, and let two in.
func (d *folder) check() error {
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: d.path, Err: errNotDir}
	}
	if m := info.Mode(); runtime.GOOS != "windows" && m&0o002 != 0 && m&fs.ModeSticky == 0 {
		return &fs.PathError{Op: "open", Path: d.path, Err: fmt.Errorf(
			"anybody can remove files from it (mode %v); take that right away with chmod o-w, or protect the files with chmod +t", m)}
	}
	return nil
}

var errNotDir = errors.New("it is not a directory; remove it, or use another directory")
