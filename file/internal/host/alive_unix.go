//go:build unix

package host

import (
	"errors"
	"syscall"
)

// Dead reports whether there is certainly no process with that id here.
func Dead(pid int) bool {
	return pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
