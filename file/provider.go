package file

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
	"github.com/distlock/distlock-go/file/internal/flock"
	"github.com/distlock/distlock-go/file/internal/host"
)

// A Provider makes locks out of the files of one directory. All methods may be
// called by several goroutines at once, and several providers of one process
// exclude each other like those of several.
//
// It implements [core.Provider], [core.Inspector] and [core.Breaker].
type Provider struct {
	engine *driver.Engine
	opts   Options
	folder *folder
	files  *cache
	ledger ledger
	events events
	probe  probe

	// lately is how long ago a path may have been looked at for a lock to be granted,
	// and how often the probe looks: half of CheckInterval. So CheckInterval bounds how
	// long after a rename of a directory the old file passes for a hold. A grant before
	// the rename is found to be lost by the next look of the probe; one after it rests
	// on a look before it, and comes less than half the interval later, and then the
	// probe has looked when the other half is over.
	lately time.Duration

	background sync.WaitGroup // what Close waits for, beside the engine
	listeners  chan struct{}  // has room for those who listen to a bell

	owner *ownerRecord
	host  string // of this machine, as owners name it
	boot  uint64
}

// New returns a provider for the locks in dir, which all the processes that are
// to exclude each other must name. It does no I/O: a directory that is missing is
// made by the first acquire, and one that is of no use is reported by it, with an
// error that matches core.ErrUnavailable; [Provider.Check] tells beforehand. An
// option that is not valid is an error that matches core.ErrInvalid.
func New(dir string, opts *Options) (*Provider, error) {
	p := new(Provider)
	err := p.setUp(dir, opts)
	if err != nil {
		return nil, &core.Error{Op: "open", Err: err}
	}
	return p, nil
}

func (p *Provider) setUp(dir string, opts *Options) (err error) {
	if dir, err = checkDir(dir); err != nil {
		return err
	}
	if p.opts, err = opts.withDefaults(); err != nil {
		return err
	}
	p.engine, err = driver.New(driver.Config{
		Backend:      "file",
		Observer:     p.opts.Observer,
		NeverBlocks:  true,
		Backstop:     driver.Backstop{Min: time.Minute, Max: time.Minute}, // Sleepers have their own, and the probe wakes all.
		LocalHandoff: p.opts.LocalHandoff,
	})
	if err != nil {
		return err
	}
	p.folder = &folder{path: dir, mode: p.opts.Mode, kind: host.Remote}
	p.files = newCache(p, p.opts.IdleFiles)
	p.lately = max(p.opts.CheckInterval/2, 1)
	p.listeners = make(chan struct{}, listeners)
	p.ledger.p, p.events.p, p.probe.p = p, p, p
	p.ledger.patience, p.ledger.turn = patience, make(chan struct{}, 1)
	p.owner = newOwnerRecord(p.opts.Owner)
	p.host = core.ThisProcess().Host
	p.boot = host.Boot()
	return nil
}

// NewLock implements core.LockProvider.
func (p *Provider) NewLock(name string) core.Lock {
	o := newObject(core.KindLock, name)
	return p.engine.NewLock(name, &claimer{turnstile{p, o, false}})
}

// NewRWLock implements core.RWLockProvider. A waiting writer keeps later readers of its
// process out at once, and those of others as soon as it is the next of all processes;
// see the package documentation.
func (p *Provider) NewRWLock(name string) core.RWLock {
	o := newObject(core.KindRWLock, name)
	return p.engine.NewRWLock(name, &claimer{turnstile{p, o, true}}, &claimer{turnstile{p, o, false}})
}

// NewSemaphore implements core.SemaphoreProvider. Each permit is a file of its
// own, made when it is first needed.
func (p *Provider) NewSemaphore(name string, limit int) core.Semaphore {
	o := newObject(core.KindSemaphore, name)
	return p.engine.NewSemaphore(name, limit, &permits{turnstile: turnstile{p, o, false}, limit: limit})
}

// Close implements io.Closer. Holds are lost, and their files unlocked. The files
// stay where they are; see [Provider.GC].
func (p *Provider) Close() error {
	err := p.engine.Close()
	p.background.Wait()
	p.probe.close()
	err = errors.Join(err, p.events.close())
	p.files.clear()
	p.ledger.close()
	return err
}

// openFile opens a file of the directory, and makes it and the directory if need
// be. Others may remove both at the same time.
func (p *Provider) openFile(name string) (f *flock.File, err error) {
	for range attempts {
		if _, err = p.folder.use(); err != nil {
			return nil, err
		}
		f, err = flock.Open(filepath.Join(p.folder.path, name), p.opts.Mode)
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, fs.ErrNotExist):
			p.folder.missing()
		case !tooMany(err) || !p.files.clear():
			return nil, err
		}
	}
	return nil, err
}
