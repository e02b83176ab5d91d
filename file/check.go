package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file/internal/flock"
	"github.com/distlock/distlock-go/file/internal/fswatch"
	"github.com/distlock/distlock-go/file/internal/page"
)

// ErrDegraded is what [Provider.Check] returns for a directory that works, but
// not as well as it could: waiters poll.
var ErrDegraded = errors.New("works, but waiters poll")

// Check finds out whether locks in the directory work, by trying: it makes the
// directory and a file in it, locks the file twice, and removes it. The error
// says what is wrong and what to do. It matches [ErrDegraded] if locks work and
// waiters have to poll, and core.ErrUnavailable if locks do not work.
func (p *Provider) Check(ctx context.Context) error {
	err := p.usable(ctx)
	if err == nil {
		var mapped bool
		mapped, err = p.check()
		err = unavailable(err)
		if err == nil {
			err = p.checkEvents(mapped)
		}
	}
	if err != nil {
		return &core.Error{Op: "check", Name: p.folder.path, Err: err}
	}
	return nil
}

// check tries a lock on a file of its own, and reports whether its page was mapped.
func (p *Provider) check() (mapped bool, err error) {
	p.folder.missing()
	name := "check-" + rand.Text()[:8]
	first, err := p.openFile(name)
	if err != nil {
		return false, err
	}
	defer os.Remove(first.Path())
	defer first.Close()
	second, err := flock.OpenExisting(first.Path())
	if err != nil {
		return false, err
	}
	defer second.Close()
	for _, step := range []struct {
		file   *flock.File
		shared bool
		want   bool
	}{{first, false, true}, {second, false, false}, {second, true, false}} {
		got, err := step.file.TryLock(step.shared)
		if err != nil {
			return false, err
		}
		if got != step.want {
			return false, &fs.PathError{Op: "lock", Path: first.Path(), Err: fmt.Errorf(
				"%w: two opens of one file do not exclude each other", errors.ErrUnsupported)}
		}
	}
	mem, err := page.Map(first)
	if err != nil {
		return false, err
	}
	if err := errors.Join(mem.Do(func() { mem.Store(atNext, 1) }), mem.Close(), first.Unlock()); err != nil {
		return false, err
	}
	return mem.Mapped(), p.checkFiles()
}

// checkFiles looks for files of others that this process cannot use.
func (p *Provider) checkFiles() error {
	return p.eachFile(context.Background(), func(file string) error {
		if !ours().MatchString(file) && file != ledgerName {
			return nil
		}
		f, err := flock.OpenExisting(filepath.Join(p.folder.path, file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return f.Close()
	})
}

// checkEvents tells why waiters poll, if they do.
func (p *Provider) checkEvents(mapped bool) error {
	if p.opts.Polling {
		return fmt.Errorf("%w: Options.Polling is set", ErrDegraded)
	}
	if remote, err := p.folder.use(); err == nil && remote != "" {
		return fmt.Errorf("%w: the directory is on a file system of type %s, which does not tell of what other machines do (use a local disk if all processes run on one)", ErrDegraded, remote)
	}
	w, err := fswatch.New()
	if errors.Is(err, errors.ErrUnsupported) {
		return nil // As everywhere on this platform.
	}
	if err == nil && !mapped {
		_ = w.Close()
		return fmt.Errorf("%w: the file system of the directory does not map files into memory (use another directory)", ErrDegraded)
	}
	if err != nil {
		return fmt.Errorf("%w: %w (raise fs.inotify.max_user_instances by sysctl)", ErrDegraded, err)
	}
	defer w.Close()
	first, err := p.openFile(ledgerName)
	if err != nil {
		return unavailable(err)
	}
	defer first.Close()
	watch, err := watchFile(w, first, func(fswatch.Event) {})
	if err != nil {
		return fmt.Errorf("%w: %w (raise fs.inotify.max_user_watches by sysctl)", ErrDegraded, err)
	}
	watch.Remove()
	return nil
}
