package torture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A place is a backend with its servers, and what can be done to them.
type place struct {
	name  string
	url   string
	lease time.Duration // 0: a hold lasts as long as its process, or its session
	bound time.Duration // see Job.Bound

	// disk says that what is locked, or the logs of its servers, is on the disk of
	// temporary files.
	disk bool

	// patience is for how long it may be that nobody gets in while no server is in
	// trouble: where there are leases, until that of a holder who has died is over, and
	// the claim of a waiter who has.
	patience time.Duration

	harms  harms
	healed func(context.Context) error             // waits until all servers serve
	left   func(context.Context) ([]string, error) // what has been left behind
	close  []func() error

	// excuse says that a server's clock is being set, so that leases end early.
	excuse func()
}

// Places are the names of the backends that can be tortured.
func Places() []string { return []string{"file", "postgres", "redis", "redlock"} }

// open starts what a backend needs.
func open(ctx context.Context, name string) (*place, error) {
	p := &place{
		name:   name,
		disk:   true,
		healed: func(context.Context) error { return nil },
		left:   func(context.Context) ([]string, error) { return nil, nil },
	}
	var err error
	switch name {
	case "file":
		err = p.files()
	case "postgres":
		err = p.postgres(ctx)
	case "redis":
		err = p.redis(ctx)
	case "redlock":
		err = p.redlock(ctx)
	default:
		return nil, fmt.Errorf("there is no backend %q; there are %v", name, Places())
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// tardy is how late a machine may be before clients give up servers that are well.
func (p *place) tardy() time.Duration {
	if p.lease > 0 {
		return p.lease / 4
	}
	return time.Second
}

// Close stops the servers.
func (p *place) Close() error {
	var errs []error
	for _, f := range slices.Backward(p.close) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// settle asks again until nothing is left, or for a while.
func settle(ctx context.Context, within time.Duration, ask func() ([]string, error)) (left []string, err error) {
	for deadline := time.Now().Add(within); ; {
		left, err = ask()
		if err == nil && len(left) == 0 || time.Now().After(deadline) || !sleep(ctx, 50*time.Millisecond) {
			return left, err
		}
	}
}
