package file

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// Options change how a provider works. The zero value, and nil, mean the
// defaults. [New] validates them.
type Options struct {
	// Mode is the permissions of the files that are made, whatever the umask; a
	// directory that is made may also be searched by whoever may read. Processes
	// of several users can share a directory only if each may read and write its
	// files: 0o660 for those of a group, 0o666 for all, who are then kept from
	// removing each other's files by the sticky bit. Default: 0o600. It has no
	// meaning on Windows.
	Mode fs.FileMode

	// Owner is what others see of the holder. Default: [core.ThisProcess].
	Owner core.Owner

	// Observer is told of events. Default: nobody is.
	Observer core.Observer

	// Polling makes waiters poll although the system could tell of events: for
	// file systems that several machines mount and that are not known as such.
	Polling bool

	// PollInterval is the longest pause between two attempts of a waiter that
	// polls. Default: 250 ms on a network file system, 25 ms otherwise.
	PollInterval time.Duration

	// CheckInterval bounds how long a file that its path does not name any more
	// passes for the lock, whether it is held then or locked afterwards. Where the
	// system tells of removals, which is at once, only the rename of a directory
	// above, or of a symbolic link to one, is left to this. Default: 2 s.
	CheckInterval time.Duration

	// IdleFiles is how many lock files stay open while nobody holds them or waits
	// for them: to lock one again takes a quarter of the time. Default: 256.
	IdleFiles int

	// LocalHandoff lets a release pass a lock on within the process; see
	// [driver.Config]. Default: off, because it passes waiters of other processes
	// over.
	LocalHandoff driver.Handoff
}

// withDefaults returns a copy that is complete, or an error that matches
// core.ErrInvalid.
func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Mode == 0 {
		c.Mode = 0o600
	}
	if c.Owner == (core.Owner{}) {
		c.Owner = core.ThisProcess()
	}
	if c.CheckInterval == 0 {
		c.CheckInterval = 2 * time.Second
	}
	if c.IdleFiles == 0 {
		c.IdleFiles = 256
	}
	switch {
	case c.Mode&^fs.ModePerm != 0:
		return c, invalid("Mode is %v; it may only have permission bits", c.Mode)
	case c.Mode&0o600 != 0o600:
		return c, invalid("Mode is %v; the owner must be able to read and write, as in 0o600", c.Mode)
	case oneSided(c.Mode):
		return c, invalid("Mode is %v; whoever may read must be able to write too, and nobody needs to execute", c.Mode)
	case c.PollInterval < 0:
		return c, invalid("PollInterval is %v; it must not be negative", c.PollInterval)
	case c.CheckInterval < 0:
		return c, invalid("CheckInterval is %v; it must not be negative", c.CheckInterval)
	case c.IdleFiles < 0:
		return c, invalid("IdleFiles is %d; it must not be negative", c.IdleFiles)
	}
	return c, nil
}

// oneSided reports whether some may read and not write, or the reverse: a lock
// file is of no use to them, and to lock it they need to open it for both.
func oneSided(mode fs.FileMode) bool {
	read, write, execute := mode&0o444>>2, mode&0o222>>1, mode&0o111
	return read != write || execute != 0
}

// checkDir returns the directory as an absolute path, so that it stays the same
// when the process changes its working directory.
func checkDir(dir string) (string, error) {
	if dir == "" {
		return "", invalid("the directory is empty; name one that all the processes use")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", invalid("the directory %q: %w", dir, err)
	}
	return abs, nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", core.ErrInvalid, fmt.Errorf(format, args...))
}
