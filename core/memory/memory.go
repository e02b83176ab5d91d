// Package memory keeps locks in the memory of one process. It is for tests,
// for examples, and for a program that does not need more; and it is the
// reference of the contract: what the backends that reach out to a server do in
// many steps is done here in one.
//
// A [Provider] plays the part of one process. Providers that share a [Server]
// exclude each other, so a test can let two processes compete inside one. With
// [Options.Lease] a hold must be renewed, as on Redis; without, it lives until
// it is released or broken, as a session does. [Options.Fault] loses and delays
// the messages between a provider and its server.
//
// Everything works in the virtual time of testing/synctest, if the server and
// the providers are made inside the bubble.
package memory

import (
	"fmt"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// Options of a provider. The zero value, like nil, is the defaults.
type Options struct {
	// Server is what the provider talks to. Default: a new one of its own.
	Server *Server

	// Lease is how long a hold lives on the server unless it is renewed, which
	// the provider does. Default: 0, no lease, a hold lives until it is released
	// or broken.
	Lease time.Duration

	// Owner is who holds, for [core.Inspector] and errors. Default:
	// core.ThisProcess().
	Owner core.Owner

	// Observer is told what happens. Default: nobody is.
	Observer core.Observer

	// Fault, if it is not nil, is asked about every message.
	Fault Fault
}

// A Provider makes locks, reader-writer locks and semaphores in memory. It
// implements [core.Provider], [core.Inspector] and [core.Breaker].
type Provider struct {
	server *Server
	engine *driver.Engine
	owner  core.Owner
	lease  time.Duration
	fault  Fault
}

// New returns a provider; nil options are the defaults. The error matches
// [core.ErrInvalid] and says which option is not valid.
func New(opts *Options) (*Provider, error) {
	if opts == nil {
		opts = &Options{}
	}
	p := &Provider{server: opts.Server, owner: opts.Owner, lease: opts.Lease, fault: opts.Fault}
	if p.server == nil {
		p.server = NewServer()
	}
	if p.owner == (core.Owner{}) {
		p.owner = core.ThisProcess()
	}
	if p.lease < 0 {
		return nil, &core.Error{Op: "open", Err: fmt.Errorf("%w: Lease is %v; 0 means no lease", core.ErrInvalid, p.lease)}
	}
	cfg := driver.Config{
		Backend:     "memory",
		Observer:    opts.Observer,
		Lease:       p.lease,
		ServerQueue: true,
	}
	if p.lease > 0 {
		cfg.Renewer = renewer{p}
	}
	engine, err := driver.New(cfg)
	if err != nil {
		return nil, err
	}
	p.engine = engine
	return p, nil
}

// NewLock returns the lock of that name.
func (p *Provider) NewLock(name string) core.Lock {
	return p.engine.NewLock(name, p.claimer(core.KindLock, name, exclusive))
}

// NewRWLock returns the reader-writer lock of that name.
func (p *Provider) NewRWLock(name string) core.RWLock {
	return p.engine.NewRWLock(name,
		p.claimer(core.KindRWLock, name, unlimited),
		p.claimer(core.KindRWLock, name, exclusive))
}

// NewSemaphore returns the semaphore of that name.
func (p *Provider) NewSemaphore(name string, limit int) core.Semaphore {
	return p.engine.NewSemaphore(name, limit, p.claimer(core.KindSemaphore, name, limit))
}

// Close ends the provider; see [core.Provider]. The server goes on.
func (p *Provider) Close() error { return p.engine.Close() }
