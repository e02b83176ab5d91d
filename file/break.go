package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
	"github.com/distlock/distlock-go/file/internal/flock"
)

// Break implements core.Breaker. The kernel's lock cannot be taken from its
// holder, so Break removes the file: the hold is lost, which Err knows at once
// and Done as soon as the system tells, and whoever comes next locks a new file.
//
// Files are removed, here and by GC, under the lock of the directory's ledger, so
// that between the look at a file and its removal no other can have taken its
// place. On Windows, where a file that is open cannot be removed, the error matches
// errors.ErrUnsupported and core.ErrUnavailable.
func (p *Provider) Break(ctx context.Context, kind core.Kind, name string) (n int, err error) {
	if err := driver.CheckObject(kind, name); err != nil {
		return 0, &core.Error{Op: "break", Name: name, Err: err}
	}
	files, err := p.holdable(newObject(kind, name))
	for _, file := range files {
		if err == nil {
			err = p.usable(ctx)
		}
		if err != nil {
			break
		}
		err = p.ledger.locked(ctx, func(*ledgerLock) error {
			some, err := p.breakFile(file)
			n += some
			return err
		})
	}
	if err != nil {
		return n, &core.Error{Op: "break", Name: name, Err: unavailable(err)}
	}
	return n, nil
}

// holdable returns the files that holders of an object lock.
func (p *Provider) holdable(o object) ([]string, error) {
	if o.kind != core.KindSemaphore {
		return []string{o.main}, nil
	}
	files, err := os.ReadDir(p.folder.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var permits []string
	for _, file := range files {
		i, ok := strings.CutPrefix(file.Name(), o.main+".")
		if _, err := strconv.Atoi(i); ok && err == nil {
			permits = append(permits, file.Name())
		}
	}
	return permits, nil
}

// breakFile removes a file if it is locked, and returns how many hold it.
func (p *Provider) breakFile(file string) (int, error) {
	seen, err := p.look(file)
	if err != nil {
		return 0, err
	}
	f, err := flock.OpenExisting(filepath.Join(p.folder.path, file))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	free, err := f.TryLock(false)
	if err != nil {
		return 0, err
	}
	if free {
		err = f.Unlock()
		f.Ring()
		return 0, err
	}
	err = f.Remove()
	if errors.Is(err, flock.ErrInUse) {
		return 0, fmt.Errorf("%w: %w: %w (here a file that is open cannot be removed; end the process that holds the lock)",
			core.ErrUnavailable, errors.ErrUnsupported, err)
	}
	if err != nil {
		return 0, err
	}
	return max(len(seen.holders), 1), nil
}
