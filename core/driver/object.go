package driver

import (
	"context"
	"unicode/utf8"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/internal/queue"
)

// MaxName is the longest name, in bytes.
const MaxName = 64 << 10

// A side is one way to take one object: a lock, a permit, or one side of a
// reader-writer lock. It implements core.Lock.
type side struct {
	engine  *Engine
	claimer Claimer
	queuer  Queuer // claimer, if it is one, or nil
	kind    core.Kind
	name    string
	shared  bool
	limit   int
	invalid error // what every acquire reports
}

func (s *side) Name() string { return s.name }

func (s *side) Acquire(ctx context.Context) (core.Handle, error) {
	return s.acquire(ctx, false)
}

func (s *side) TryAcquire(ctx context.Context) (core.Handle, error) {
	return s.acquire(ctx, true)
}

// Identity implements core.Identified. That of a [Keyed] claimer is of no kind.
func (s *side) Identity() core.Identity {
	id := core.Identity{Backend: s.engine.cfg.Backend, Kind: s.kind, Name: s.name, Provider: s.engine}
	if c, ok := s.claimer.(Keyed); ok {
		if key, ok := c.Key(); ok {
			id.Kind, id.Name = "", key
		}
	}
	return id
}

func (s *side) key() queue.Key { return queue.Key{Kind: string(s.kind), Name: s.name} }

func (s *side) event(t core.EventType) core.Event {
	return core.Event{Type: t, Kind: s.kind, Name: s.name, Shared: s.shared}
}

// side returns one that is exclusive, of which there is one.
func (e *Engine) side(kind core.Kind, name string, c Claimer) side {
	queuer, _ := c.(Queuer)
	return side{engine: e, claimer: c, queuer: queuer, kind: kind, name: name, limit: 1, invalid: CheckName(name)}
}

// NewLock returns the lock that c claims.
func (e *Engine) NewLock(name string, c Claimer) core.Lock {
	s := e.side(core.KindLock, name, c)
	return &s
}

// NewRWLock returns the reader-writer lock whose sides are claimed by read and
// write.
func (e *Engine) NewRWLock(name string, read, write Claimer) core.RWLock {
	l := &rwlock{e.side(core.KindRWLock, name, read), e.side(core.KindRWLock, name, write)}
	l.read.shared = true
	return l
}

// NewSemaphore returns the semaphore of which c claims permits.
func (e *Engine) NewSemaphore(name string, limit int, c Claimer) core.Semaphore {
	s := &semaphore{e.side(core.KindSemaphore, name, c)}
	s.limit = limit
	if s.invalid == nil && limit < 1 {
		s.invalid = invalid("the limit of a semaphore is %d; it must be at least 1", limit)
	}
	return s
}

type semaphore struct{ side }

func (s *semaphore) Limit() int { return s.limit }

type rwlock struct{ read, write side }

func (l *rwlock) Name() string            { return l.read.name }
func (l *rwlock) Identity() core.Identity { return l.read.Identity() }

func (l *rwlock) AcquireRead(ctx context.Context) (core.Handle, error) {
	return l.read.acquire(ctx, false)
}

func (l *rwlock) TryAcquireRead(ctx context.Context) (core.Handle, error) {
	return l.read.acquire(ctx, true)
}

func (l *rwlock) AcquireWrite(ctx context.Context) (core.Handle, error) {
	return l.write.acquire(ctx, false)
}

func (l *rwlock) TryAcquireWrite(ctx context.Context) (core.Handle, error) {
	return l.write.acquire(ctx, true)
}

// CheckObject returns an error that matches core.ErrInvalid for a kind that there is
// not, or a name that no backend takes. Break of a backend begins with it.
func CheckObject(kind core.Kind, name string) error {
	switch kind {
	case core.KindLock, core.KindRWLock, core.KindSemaphore:
		return CheckName(name)
	}
	return invalid("there is no kind %q", kind)
}

// CheckName returns an error that matches core.ErrInvalid for a name that no backend
// takes. The engine's locks report it by themselves; Inspect of a backend begins with
// it.
func CheckName(name string) error {
	switch {
	case name == "":
		return invalid("the name is empty")
	case len(name) > MaxName:
		return invalid("the name has %d bytes; at most %d are allowed", len(name), MaxName)
	case !utf8.ValidString(name):
		return invalid("the name is not valid UTF-8")
	}
	return nil
}
