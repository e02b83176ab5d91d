package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/flock"
)

// errReplaced is the answer of a lock file that its path no longer names: the
// attempt begins again with the file that is there now.
var errReplaced = errors.New("the lock file was replaced")

// errNext is the answer to a newcomer while somebody waits.
var errNext = fmt.Errorf("%w: somebody waits, and is next", core.ErrNotAcquired)

// unavailable says that the file system refuses, and what can be done. The
// result matches core.ErrUnavailable and err, and so errors.ErrUnsupported if
// there are no locks, fs.ErrPermission and so on. That the provider was closed, or
// that a context has ended, is no fault of the file system and stays as it is.
func unavailable(err error) error {
	for _, as := range []error{nil, core.ErrUnavailable, core.ErrClosed, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, as) {
			return err
		}
	}
	if cure := cure(err); cure != "" {
		return fmt.Errorf("%w: %w (%s)", core.ErrUnavailable, err, cure)
	}
	return fmt.Errorf("%w: %w", core.ErrUnavailable, err)
}

// cure says what can be done about an error of the file system.
func cure(err error) string {
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return "this file system has no locks; use a directory on a local disk"
	case errors.Is(err, flock.ErrSymlink):
		return "it was not followed; remove it, and ask who planted it"
	case errors.Is(err, flock.ErrNotFile):
		return "remove it, or use another directory"
	case errors.Is(err, fs.ErrPermission) && toMap(err):
		return "a security policy forbids to map it into memory; have that allowed (SELinux calls it map)"
	case errors.Is(err, fs.ErrPermission):
		return "it belongs to another user; to share a directory set Options.Mode, to 0o660 for a group, in all the processes"
	}
	return cureOf(err)
}

// toMap reports whether an error is of the mapping of a file.
func toMap(err error) bool {
	p, ok := errors.AsType[*fs.PathError](err)
	return ok && p.Op == "map"
}
