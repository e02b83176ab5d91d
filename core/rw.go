package core

import "context"

// Reader returns a [Lock] that takes rw for reading. Several may hold it at a
// time, so it excludes only writers.
func Reader(rw RWLock) Lock { return reader{rw} }

// Writer returns a [Lock] that takes rw for writing.
func Writer(rw RWLock) Lock { return writer{rw} }

type reader struct{ rw RWLock }

func (r reader) Name() string                                   { return r.rw.Name() }
func (r reader) Acquire(ctx context.Context) (Handle, error)    { return r.rw.AcquireRead(ctx) }
func (r reader) TryAcquire(ctx context.Context) (Handle, error) { return r.rw.TryAcquireRead(ctx) }
func (r reader) Identity() Identity                             { return identityOf(r.rw, KindRWLock, r.rw.Name()) }

type writer struct{ rw RWLock }

func (w writer) Name() string                                   { return w.rw.Name() }
func (w writer) Acquire(ctx context.Context) (Handle, error)    { return w.rw.AcquireWrite(ctx) }
func (w writer) TryAcquire(ctx context.Context) (Handle, error) { return w.rw.TryAcquireWrite(ctx) }
func (w writer) Identity() Identity                             { return identityOf(w.rw, KindRWLock, w.rw.Name()) }
