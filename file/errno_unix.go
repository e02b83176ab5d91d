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
	case errors.Is(err, syscall.ENOMEM):
		return "this process may not have more memory or mappings; raise the limit (ulimit -v, or sysctl vm.max_map_count), or lower Options.IdleFiles"
	case errors.Is(err, syscall.EAGAIN):
		return "this process may not lock more of its memory; raise the limit (ulimit -l)"
	}
	return ""
}

// tooMany reports whether closing files would help.
func tooMany(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}
