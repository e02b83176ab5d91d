package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A Provider makes locks, reader-writer locks and semaphores of one database. It
// implements core.Provider, [core.Inspector] and [core.Breaker].
type Provider struct {
	opts   *Options
	engine *driver.Engine
	pool   *pool
	queue  *queue
}

var _ core.Provider = (*Provider)(nil)

// New returns a provider that opens its own connections by config, which it
// copies; it must come from [pgx.ParseConfig]. New does no I/O. An error matches
// core.ErrInvalid.
func New(config *pgx.ConnConfig, opts *Options) (*Provider, error) {
	if config == nil {
		return nil, failed(invalid("there is no configuration"))
	}
	config = config.Copy()
	return newProvider(config, func(context.Context) (*pgx.ConnConfig, error) { return config.Copy(), nil }, opts)
}

// NewFromPool is New with the configuration of a pool, including its
// BeforeConnect, which may fetch a fresh password. No connection of the pool is
// used: a lock that is held would keep it from its other users, and they, or its
// age limits, could end the lock. AfterConnect is not called.
func NewFromPool(pool *pgxpool.Pool, opts *Options) (*Provider, error) {
	if pool == nil {
		return nil, failed(invalid("there is no pool"))
	}
	config := pool.Config()
	return newProvider(config.ConnConfig, func(ctx context.Context) (*pgx.ConnConfig, error) {
		c := config.ConnConfig.Copy()
		if config.BeforeConnect != nil {
			if err := config.BeforeConnect(ctx, c); err != nil {
				return nil, fmt.Errorf("BeforeConnect: %w", err)
			}
		}
		return c, nil
	}, opts)
}

// Open is New with a connection string, as libpq and pgx take it: a URL or
// key=value pairs, with several hosts, target_session_attrs, sslmode, Unix
// sockets, and the environment variables of libpq. It connects, so that a
// mistake is reported here: the error matches core.ErrInvalid if the string or
// an option is wrong, or core.ErrUnavailable. In the database and the parameters of a
// URL an "@" must be written %40.
func Open(ctx context.Context, dsn string, opts *Options) (*Provider, error) {
	if err := checkURL(dsn); err != nil {
		return nil, failed(err)
	}
	config, err := pgxpool.ParseConfig(dsn) // It takes a pool's parameters, too.
	if err != nil {
		return nil, failed(dsnError(dsn, err))
	}
	p, err := New(config.ConnConfig, opts)
	if err != nil {
		return nil, err
	}
	c, err := p.pool.carrier(ctx)
	if err != nil {
		_ = p.Close()
		return nil, failed(err)
	}
	p.pool.leave(c, 1)
	return p, nil
}

func newProvider(config *pgx.ConnConfig, fresh func(context.Context) (*pgx.ConnConfig, error), o *Options) (*Provider, error) {
	opts, err := o.withDefaults(config.ConnectTimeout)
	if err != nil {
		return nil, failed(err)
	}
	engine, err := driver.New(driver.Config{
		Backend: "postgres", Observer: opts.Observer, BoundsItself: true,
		GiveBackTimeout: max(10*time.Second, 3*(opts.PingInterval+opts.PingTimeout)), // An outcome takes less.
	})
	if err != nil {
		return nil, failed(err)
	}
	pool := newPool(&dialer{opts: opts, config: fresh}, engine.Context().Done())
	return &Provider{opts: opts, engine: engine, pool: pool, queue: newQueue(engine, pool, opts)}, nil
}

// failed makes err the error of a constructor.
func failed(err error) error { return &core.Error{Op: "open", Err: err} }

// NewLock implements core.LockProvider.
func (p *Provider) NewLock(name string) core.Lock {
	k, err := p.opts.makeKeys(core.KindLock, name)
	return p.engine.NewLock(name, &locker{provider: p, kind: core.KindLock, name: name, keys: k, invalid: err, take: opLock})
}

// NewRWLock implements core.RWLockProvider.
func (p *Provider) NewRWLock(name string) core.RWLock {
	k, err := p.opts.makeKeys(core.KindRWLock, name)
	return p.engine.NewRWLock(name,
		&locker{provider: p, kind: core.KindRWLock, name: name, keys: k, invalid: err, take: opRead, shared: true},
		&locker{provider: p, kind: core.KindRWLock, name: name, keys: k, invalid: err, take: opWrite})
}

// NewSemaphore implements core.SemaphoreProvider.
func (p *Provider) NewSemaphore(name string, limit int) core.Semaphore {
	k, err := p.opts.makeKeys(core.KindSemaphore, name)
	return p.engine.NewSemaphore(name, limit, newPermits(p, name, k, limit, err))
}

// Close implements core.Provider. Holds are lost, waits end, and then all
// connections are closed.
func (p *Provider) Close() error {
	err := p.engine.Close()
	p.pool.stop() // Nobody waits for a connection any more.
	p.queue.close()
	p.pool.close()
	return err
}
