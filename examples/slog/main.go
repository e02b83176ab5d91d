// Slog shows an observer that writes the events of locks to a structured log.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/distlock/distlock-go/distlock"
)

// A logObserver writes each event as a record. What is routine is at the level of
// debugging; what somebody should look at is an error.
type logObserver struct{ log *slog.Logger }

// Observe implements distlock.Observer.
func (o logObserver) Observe(ctx context.Context, e distlock.Event) {
	level := slog.LevelDebug
	switch e.Type {
	case distlock.EventLost, distlock.EventAbandoned, distlock.EventGiveBackFailed, distlock.EventLimitMismatch:
		level = slog.LevelError
	case distlock.EventDegraded, distlock.EventRenewFailed, distlock.EventProbeFailed, distlock.EventRecovered:
		level = slog.LevelWarn
	case distlock.EventReleased:
		if e.Err != nil {
			level = slog.LevelWarn // the backend did not confirm it
		}
	}
	if !o.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("backend", e.Backend), slog.String("kind", string(e.Kind)), slog.String("name", e.Name)}
	if e.Token != 0 {
		attrs = append(attrs, slog.Uint64("token", e.Token))
	}
	if e.Duration != 0 {
		attrs = append(attrs, slog.Duration("duration", e.Duration))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.Any("err", e.Err))
	}
	o.log.LogAttrs(ctx, level, string(e.Type), attrs...)
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: sameEachTime}))
	p, err := distlock.OpenWith(ctx, cmp.Or(os.Getenv("DISTLOCK_URL"), "mem:"), &distlock.Options{Observer: logObserver{log}})
	if err != nil {
		return err
	}
	defer p.Close()
	lock := p.NewLock("example slog")
	h, err := lock.Acquire(ctx)
	if err != nil {
		return err
	}
	if _, err := lock.TryAcquire(ctx); !errors.Is(err, distlock.ErrNotAcquired) {
		return fmt.Errorf("a second holder: %w", err)
	}
	if err := h.Release(ctx); err != nil {
		return err
	}
	if h, err = lock.Acquire(ctx); err != nil {
		return err
	}
	if _, err := p.(distlock.Breaker).Break(ctx, distlock.KindLock, lock.Name()); err != nil {
		return err
	}
	<-h.Done()
	if err := h.Release(ctx); !errors.Is(err, distlock.ErrLost) {
		return fmt.Errorf("the release of a broken lock: %w", err)
	}
	return nil
}

// sameEachTime leaves out of this example's output what differs from run to run
// and from backend to backend.
func sameEachTime(_ []string, a slog.Attr) slog.Attr {
	switch a.Key {
	case slog.TimeKey, "backend", "token", "duration", "err":
		return slog.Attr{}
	}
	return a
}
