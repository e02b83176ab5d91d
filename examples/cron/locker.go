package main

import (
	"context"
	"sync"
	"time"

	"github.com/go-co-op/gocron/v2"

	"github.com/distlock/distlock-go/distlock"
)

// A Locker is a gocron.Locker: of all schedulers that share its provider, one runs
// each job.
//
// The clocks of replicas differ. If the lock were released as soon as a short job
// has ended, a replica whose clock is behind would come then, get it, and run the
// job a second time. So a hold lasts for at least AtLeast from when it was taken:
// choose more than the clocks may differ by, and less than the time between two
// runs.
type Locker struct {
	locks   distlock.LockProvider
	atLeast time.Duration

	closing chan struct{}
	once    sync.Once
	pending sync.WaitGroup
}

// NewLocker returns a locker; Close ends what it still holds.
func NewLocker(locks distlock.LockProvider, atLeast time.Duration) *Locker {
	return &Locker{locks: locks, atLeast: atLeast, closing: make(chan struct{})}
}

// Lock implements gocron.Locker. It does not wait: a job that runs elsewhere is
// not run here.
func (l *Locker) Lock(ctx context.Context, job string) (gocron.Lock, error) {
	h, err := l.locks.NewLock("cron: " + job).TryAcquire(ctx)
	if err != nil {
		return nil, err
	}
	return &jobLock{l, h, time.Now().Add(l.atLeast)}, nil
}

// Close releases at once what is held past the end of its job.
func (l *Locker) Close() {
	l.once.Do(func() { close(l.closing) })
	l.pending.Wait()
}

type jobLock struct {
	locker *Locker
	hold   distlock.Handle
	until  time.Time
}

// Unlock implements gocron.Lock.
func (j *jobLock) Unlock(ctx context.Context) error {
	if time.Until(j.until) <= 0 {
		return j.hold.Release(ctx)
	}
	j.locker.pending.Go(func() {
		select {
		case <-time.After(time.Until(j.until)):
		case <-j.locker.closing:
		case <-j.hold.Done(): // lost, and then there is nothing to keep
		}
		_ = j.hold.Release(context.WithoutCancel(ctx))
	})
	return nil
}
