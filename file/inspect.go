package file

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
	"github.com/distlock/distlock-go/file/internal/flock"
	"github.com/distlock/distlock-go/file/internal/host"
	"github.com/distlock/distlock-go/file/internal/page"
)

// Inspect implements core.Inspector. It reads what the holders have written into
// their files, and tries the lock of a file only if that says that it is held: to
// find out whether the holder has died. Of those who wait it knows the one who is
// next. Of the readers of one lock it knows the first 14, and never one that uses
// the file without this library.
func (p *Provider) Inspect(ctx context.Context, name string) ([]core.Status, error) {
	if err := driver.CheckName(name); err != nil {
		return nil, &core.Error{Op: "inspect", Name: name, Err: err}
	}
	var all []core.Status
	for _, kind := range []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore} {
		if err := p.usable(ctx); err != nil {
			return nil, &core.Error{Op: "inspect", Name: name, Err: err}
		}
		st, err := p.status(newObject(kind, name))
		if err != nil {
			return nil, &core.Error{Op: "inspect", Name: name, Err: unavailable(err)}
		}
		if inUse(st) {
			all = append(all, st)
		}
	}
	return all, nil
}

// List implements core.Inspector. It reads every file of the directory.
func (p *Provider) List(ctx context.Context, prefix string) ([]core.Status, error) {
	var all []core.Status
	err := p.eachFile(ctx, func(file string) error {
		o, ok := p.objectOf(file)
		if !ok || !strings.HasPrefix(o.name, prefix) {
			return nil
		}
		st, err := p.status(o)
		if err == nil && inUse(st) {
			all = append(all, st)
		}
		return err
	})
	if err != nil {
		return nil, &core.Error{Op: "list", Err: unavailable(err)}
	}
	slices.SortFunc(all, func(a, b core.Status) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(string(a.Kind), string(b.Kind)))
	})
	return all, nil
}

func inUse(st core.Status) bool { return len(st.Holders)+len(st.Waiters) > 0 }

// usable reports why the provider cannot answer.
func (p *Provider) usable(ctx context.Context) error {
	if p.engine.Context().Err() != nil {
		return core.ErrClosed
	}
	return ctx.Err()
}

// eachFile calls f with the name of each file of the directory, if there is one.
func (p *Provider) eachFile(ctx context.Context, f func(file string) error) error {
	files, err := os.ReadDir(p.folder.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, file := range files {
		if err := p.usable(ctx); err != nil {
			return err
		}
		if err := f(file.Name()); err != nil {
			return err
		}
	}
	return p.usable(ctx)
}

// objectOf returns the object whose main file that is, by the name written there.
func (p *Provider) objectOf(file string) (object, bool) {
	kinds := map[string]core.Kind{lockSuffix: core.KindLock, rwSuffix: core.KindRWLock, semSuffix: core.KindSemaphore}
	kind, ok := kinds[filepath.Ext(file)]
	if !ok {
		return object{}, false
	}
	f, err := flock.OpenExisting(filepath.Join(p.folder.path, file))
	if err != nil {
		return object{}, false
	}
	defer f.Close()
	b := make([]byte, page.Size+driver.MaxName)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) || n < page.Size {
		return object{}, false
	}
	length := page.Words(b)(atNameLen)
	if length > uint64(n-page.Size) {
		return object{}, false
	}
	o := newObject(kind, string(b[page.Size:][:length]))
	return o, o.main == file
}

// status returns what the files of an object tell.
func (p *Provider) status(o object) (core.Status, error) {
	st := core.Status{Name: o.name, Kind: o.kind}
	main, err := p.look(o.main)
	if err != nil {
		return st, err
	}
	if o.kind != core.KindSemaphore {
		st.Holders = main.holders
	} else if st.Holders, err = p.permitHolders(o); err != nil {
		return st, err
	} else {
		st.Limit = main.limit
	}
	gate := main
	if o.gate != o.main {
		if gate, err = p.look(o.gate); err != nil {
			return st, err
		}
	}
	for _, w := range gate.holders {
		if w.Token == 0 {
			st.Waiters = append(st.Waiters, core.Waiter{Owner: w.Owner, Shared: w.Shared, Since: w.Since})
		}
	}
	return st, nil
}

// permitHolders returns the holders of the permits, in order of grant.
func (p *Provider) permitHolders(o object) ([]core.Holder, error) {
	files, err := p.holdable(o)
	if err != nil {
		return nil, err
	}
	var all []core.Holder
	for _, file := range files {
		s, err := p.look(file)
		if err != nil {
			return nil, err
		}
		all = append(all, s.holders...)
	}
	slices.SortFunc(all, func(a, b core.Holder) int { return cmp.Compare(a.Token, b.Token) })
	return all, nil
}

// A sight is what one file tells.
type sight struct {
	holders []core.Holder
	limit   int
}

// look reads one file. It opens the file anew, because only a lock by another open
// file tells whether the file is locked by this process.
func (p *Provider) look(file string) (s sight, err error) {
	f, err := flock.OpenExisting(filepath.Join(p.folder.path, file))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	defer f.Close()
	b := make([]byte, page.Size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return s, err
	}
	s.limit = int(page.Words(b)(atLimit))
	for i := range entries {
		h, ok := readEntry(b, i)
		if ok && (h.Owner.Host != p.host || !host.Dead(h.Owner.PID)) {
			s.holders = append(s.holders, h)
		}
	}
	if len(s.holders) == 0 {
		return s, nil
	}
	free, err := f.TryLock(false)
	if free {
		err = f.Unlock()
		f.Ring() // Somebody may have found the file locked by us.
		s.holders = nil
	}
	return s, err
}
