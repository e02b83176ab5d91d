package file

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// cureOf says what can be done about an error number.
func cureOf(err error) string {
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return "a file is where the directory should be; remove it, or use another directory"
	case errors.Is(err, windows.ERROR_WRITE_PROTECT):
		return "the file system is read-only; use another directory"
	case errors.Is(err, windows.ERROR_DISK_FULL), errors.Is(err, windows.ERROR_HANDLE_DISK_FULL):
		return "there is no space left; free some, or use another directory"
	case errors.Is(err, windows.ERROR_SHARING_VIOLATION):
		return "a program has it open and lets nobody else; find out which"
	}
	return ""
}

// tooMany reports whether closing files would help.
func tooMany(err error) bool { return errors.Is(err, windows.ERROR_TOO_MANY_OPEN_FILES) }
