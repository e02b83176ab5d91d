//go:build unix

package file

import (
	"errors"
	"syscall"
)

// cureOf says what can be done about an error number.
func cureOf(err error) string {
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return "a file is where the directory should be; remove it, or use another directory"
	case errors.Is(err, syscall.EROFS):
		return "the file system is mounted read-only; use another directory"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "there is no space left; free some, or use another directory"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many files are open; raise the limit (ulimit -n), or lower Options.IdleFiles"
	}
	return ""
}

// tooManyOpen reports whether closing files would help.
func tooManyOpen(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
