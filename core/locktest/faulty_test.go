package locktest_test

import (
	"context"

	"github.com/distlock/distlock-go/core"
)

// A faulty provider changes what another one makes. What is nil it leaves alone.
type faulty struct {
	core.Provider
	name   func(string) string
	limit  func(int) int
	object func(p core.Provider, o object) core.Lock
	close  func() error
}

// An object is one side of something that a sound provider has made.
type object struct {
	core.Lock
	kind   core.Kind
	shared bool
}

func (f *faulty) side(kind core.Kind, shared bool, l core.Lock, name string) core.Lock {
	if f.object != nil {
		l = f.object(f.Provider, object{l, kind, shared})
	}
	if f.name != nil {
		l = named{l, name}
	}
	return l
}

func (f *faulty) rename(name string) string {
	if f.name == nil {
		return name
	}
	return f.name(name)
}

func (f *faulty) NewLock(name string) core.Lock {
	return f.side(core.KindLock, false, f.Provider.NewLock(f.rename(name)), name)
}

func (f *faulty) NewRWLock(name string) core.RWLock {
	rw := f.Provider.NewRWLock(f.rename(name))
	return faultyRW{
		read:  f.side(core.KindRWLock, true, core.Reader(rw), name),
		write: f.side(core.KindRWLock, false, core.Writer(rw), name),
	}
}

func (f *faulty) NewSemaphore(name string, limit int) core.Semaphore {
	inner := limit
	if f.limit != nil {
		inner = f.limit(limit)
	}
	return faultySemaphore{f.side(core.KindSemaphore, false, f.Provider.NewSemaphore(f.rename(name), inner), name), limit}
}

func (f *faulty) Close() error {
	if f.close != nil {
		return f.close()
	}
	return f.Provider.Close()
}

type faultyRW struct{ read, write core.Lock }

func (l faultyRW) Name() string { return l.read.Name() }
func (l faultyRW) AcquireRead(ctx context.Context) (core.Handle, error) {
	return l.read.Acquire(ctx)
}
func (l faultyRW) TryAcquireRead(ctx context.Context) (core.Handle, error) {
	return l.read.TryAcquire(ctx)
}
func (l faultyRW) AcquireWrite(ctx context.Context) (core.Handle, error) {
	return l.write.Acquire(ctx)
}
func (l faultyRW) TryAcquireWrite(ctx context.Context) (core.Handle, error) {
	return l.write.TryAcquire(ctx)
}

type faultySemaphore struct {
	core.Lock
	limit int
}

func (s faultySemaphore) Limit() int { return s.limit }

// A named lock and its handles go by another name.
type named struct {
	core.Lock
	name string
}

func (l named) Name() string { return l.name }

func (l named) Acquire(ctx context.Context) (core.Handle, error) {
	h, err := l.Lock.Acquire(ctx)
	return namedHandle{h, l.name}, err
}

func (l named) TryAcquire(ctx context.Context) (core.Handle, error) {
	h, err := l.Lock.TryAcquire(ctx)
	return namedHandle{h, l.name}, err
}

type namedHandle struct {
	core.Handle
	name string
}

func (h namedHandle) Name() string { return h.name }

// A faultyLock changes what a sound lock does. What is nil it leaves alone.
type faultyLock struct {
	core.Lock
	acquire func(context.Context) (core.Handle, error)
	try     func(context.Context) (core.Handle, error)
	handle  func(core.Handle) core.Handle
}

func (l faultyLock) Acquire(ctx context.Context) (core.Handle, error) {
	return l.get(ctx, l.acquire, l.Lock.Acquire)
}

func (l faultyLock) TryAcquire(ctx context.Context) (core.Handle, error) {
	return l.get(ctx, l.try, l.Lock.TryAcquire)
}

func (l faultyLock) get(ctx context.Context, acquire, sound func(context.Context) (core.Handle, error)) (core.Handle, error) {
	if acquire == nil {
		acquire = sound
	}
	h, err := acquire(ctx)
	if err == nil && l.handle != nil {
		h = l.handle(h)
	}
	return h, err
}

// A faultyHandle changes what a sound handle does.
type faultyHandle struct {
	core.Handle
	token   func() uint64
	done    func() <-chan struct{}
	err     func() error
	release func(context.Context) error
}

func (h *faultyHandle) Token() uint64 {
	if h.token != nil {
		return h.token()
	}
	return h.Handle.Token()
}

func (h *faultyHandle) Done() <-chan struct{} {
	if h.done != nil {
		return h.done()
	}
	return h.Handle.Done()
}

func (h *faultyHandle) Err() error {
	if h.err != nil {
		return h.err()
	}
	return h.Handle.Err()
}

func (h *faultyHandle) Release(ctx context.Context) error {
	if h.release != nil {
		return h.release(ctx)
	}
	return h.Handle.Release(ctx)
}

// Ways to make a mutant: of each lock, or of each handle.

func locks(change func(p core.Provider, o object) core.Lock) func(core.Provider) core.Provider {
	return func(p core.Provider) core.Provider { return &faulty{Provider: p, object: change} }
}

func handles(change func(p core.Provider, o object, h core.Handle) core.Handle) func(core.Provider) core.Provider {
	return locks(func(p core.Provider, o object) core.Lock {
		return faultyLock{Lock: o.Lock, handle: func(h core.Handle) core.Handle { return change(p, o, h) }}
	})
}
