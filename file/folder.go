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

// make makes the directory unless it is there, and those above it: all with the same
// permissions, because who may use the files must reach them, and who may rename a
// directory above could end any hold.
func (d *folder) make() error { return makeDir(d.path, d.perm()) }

// makeDir makes one directory and those above it. The permissions of each are set
// whatever the umask, and before another one is made in it.
func makeDir(path string, perm fs.FileMode) error {
	err := os.Mkdir(path, 0o700)
	if above := filepath.Dir(path); errors.Is(err, fs.ErrNotExist) && above != path {
		if err = makeDir(above, perm); err == nil {
			err = os.Mkdir(path, 0o700)
		}
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		_, err = statDir(path)
	case err == nil && perm != 0o700:
		err = os.Chmod(path, perm)
	}
	return err
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
	info, err := statDir(d.path)
	if err != nil {
		return err
	}
	if m := info.Mode(); runtime.GOOS != "windows" && m&0o002 != 0 && m&fs.ModeSticky == 0 {
		return &fs.PathError{Op: "open", Path: d.path, Err: fmt.Errorf(
			"anybody can remove files from it (mode %v); take that right away with chmod o-w, or protect the files with chmod +t", m)}
	}
	return nil
}

func statDir(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: path, Err: errNotDir}
	}
	return info, err
}

var errNotDir = errors.New("it is not a directory; remove it, or use another directory")
