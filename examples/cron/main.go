// Cron runs a job on one of three replicas of a scheduler, by an adapter for
// gocron. Locker, in the file beside this one, can be copied.
//
// The replicas are three schedulers in one process here; with any backend but mem:
// they can as well be processes on several machines.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"

	"github.com/distlock/distlock-go/distlock"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	p, err := distlock.Open(ctx, cmp.Or(os.Getenv("DISTLOCK_URL"), "mem:"))
	if err != nil {
		return err
	}
	defer p.Close()

	const replicas = 3
	outcomes := make(chan error, replicas) // nil: this replica ran the job
	at := time.Now().Add(100 * time.Millisecond)
	var all [replicas]*replica
	for i := range all {
		if all[i], err = newReplica(p, at, outcomes); err != nil {
			return err
		}
	}
	defer func() {
		for _, r := range all {
			r.close()
		}
	}()
	ran, skipped := 0, 0
	for range replicas {
		switch err := <-outcomes; {
		case err == nil:
			ran++
		case errors.Is(err, distlock.ErrNotAcquired):
			skipped++
		default:
			return err
		}
	}
	fmt.Printf("of %d replicas, %d ran the job and %d skipped it\n", replicas, ran, skipped)
	return nil
}

// A replica is a program with a scheduler.
type replica struct {
	locker    *Locker
	scheduler gocron.Scheduler
}

func newReplica(p distlock.LockProvider, at time.Time, outcomes chan<- error) (*replica, error) {
	r := &replica{locker: NewLocker(p, time.Minute)}
	var err error
	if r.scheduler, err = gocron.NewScheduler(gocron.WithDistributedLocker(r.locker)); err != nil {
		return nil, err
	}
	_, err = r.scheduler.NewJob(
		gocron.OneTimeJob(gocron.OneTimeJobStartDateTime(at)),
		gocron.NewTask(func() { outcomes <- nil }),
		gocron.WithName("nightly report"), // the lock's name: the same on all replicas
		gocron.WithEventListeners(gocron.AfterLockError(func(_ uuid.UUID, _ string, err error) { outcomes <- err })),
	)
	if err != nil {
		return nil, err
	}
	r.scheduler.Start()
	return r, nil
}

// close ends the scheduler, and then the holds that outlast its jobs.
func (r *replica) close() {
	_ = r.scheduler.Shutdown()
	r.locker.Close()
}
