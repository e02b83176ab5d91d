package clockshift

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

//go:embed preload/shift.c
var source []byte

// A Clock is that of the programs which are started with its environment.
type Clock struct {
	library, path string
	page          []byte
}

// Clocks are in one directory, with the library that makes them work.
type Clocks struct {
	dir string
	All []*Clock
}

// New makes so many clocks, which show the right time. It needs a C compiler.
func New(n int) (*Clocks, error) {
	dir, err := os.MkdirTemp("", "clocks")
	if err != nil {
		return nil, err
	}
	c := &Clocks{dir: dir}
	if err := c.make(n); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Clocks) make(n int) error {
	if err := os.Chmod(c.dir, 0o755); err != nil { // Servers may run as somebody else.
		return err
	}
	src, lib := filepath.Join(c.dir, "shift.c"), filepath.Join(c.dir, "shift.so")
	if err := os.WriteFile(src, source, 0o600); err != nil {
		return err
	}
	if out, err := exec.Command("cc", "-O2", "-Wall", "-shared", "-fPIC", "-o", lib, src).CombinedOutput(); err != nil {
		return fmt.Errorf("clockshift: cc: %w\n%s", err, out)
	}
	for i := range n {
		clock := &Clock{library: lib, path: filepath.Join(c.dir, fmt.Sprint("clock-", i))}
		if err := clock.open(); err != nil {
			return err
		}
		c.All = append(c.All, clock)
	}
	return nil
}

func (c *Clock) open() error {
	f, err := os.OpenFile(c.path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(8); err != nil {
		return err
	}
	c.page, err = unix.Mmap(int(f.Fd()), 0, 8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return err
}

// Environ is what a program must have in its environment.
func (c *Clock) Environ() map[string]string {
	return map[string]string{"LD_PRELOAD": c.library, "DISTLOCK_CLOCK": c.path}
}

// Shift sets the clock to the right time and so much more, at once.
func (c *Clock) Shift(by time.Duration) {
	(*atomic.Int64)(unsafe.Pointer(&c.page[0])).Store(int64(by))
}

// Close removes the clocks. No program may use them any more.
func (c *Clocks) Close() error {
	var errs []error
	for _, clock := range c.All {
		errs = append(errs, unix.Munmap(clock.page))
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}
