package schedules

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A wire is a node's way to the server.
type wire struct {
	Schedule
	plan
	node   uint64
	calls  atomic.Uint64
	healed *atomic.Bool    // nothing happens to messages any more
	cut    atomic.Bool     // none goes through
	down   *atomic.Bool    // nobody is there to answer
	flying *sync.WaitGroup // messages; virtual time must not end before they arrive
}

// A fate is what happens to one call.
type fate struct {
	there, back         time.Duration // how long the messages take
	lostThere, lostBack bool
	twice               time.Duration // the request comes again after that; 0: it does not
	reset               time.Duration // the connection fails after that; 0: silence
}

// fate decides about the next call.
func (w *wire) fate() fate {
	r := w.rng(100+w.node, w.calls.Add(1))
	f := fate{there: between(r, 0, 3*time.Millisecond), back: between(r, 0, 3*time.Millisecond)}
	if w.healed.Load() || r.Float64() > w.trouble {
		return f
	}
	if r.IntN(2) == 0 {
		f.reset = between(r, 1, term/2)
	}
	switch r.IntN(6) {
	case 0:
		f.lostThere = true
	case 1:
		f.lostBack = true
	case 2:
		f.there = between(r, 0, term+term/2)
	case 3:
		f.back = between(r, 0, term+term/2)
	case 4:
		f.there, f.back = between(r, 0, term/3), between(r, 0, term/3)
	case 5:
		f.twice = between(r, 1, term+term/2)
	}
	return f
}

var errReset = errors.New("connection reset")

// call has the server carry out do, which is called once, not at all, or twice,
// and perhaps when call has returned. The error says that nothing is known.
func call[T any](ctx context.Context, w *wire, do func() T) (answer T, err error) {
	if answer, err = exchange(ctx, w, true, do); err != nil {
		err = fmt.Errorf("%w: %w", core.ErrUnavailable, err)
	}
	return answer, err
}

// exchange is call, whose error tells only what happened. Only some requests come
// twice.
func exchange[T any](ctx context.Context, w *wire, twice bool, do func() T) (answer T, err error) {
	f := w.fate()
	replies := make(chan T, 2)
	if !w.cut.Load() && !f.lostThere {
		send := func(after time.Duration) {
			time.Sleep(after)
			if w.down.Load() {
				return
			}
			reply := do()
			time.Sleep(f.back)
			if !f.lostBack && !w.cut.Load() {
				replies <- reply
			}
		}
		w.flying.Go(func() { send(f.there) })
		if f.twice > 0 && twice {
			w.flying.Go(func() { send(f.there + f.twice) })
		}
	}
	var reset <-chan time.Time
	if f.reset > 0 {
		timer := time.NewTimer(f.reset)
		defer timer.Stop()
		reset = timer.C
	}
	select {
	case answer = <-replies:
		return answer, nil
	case <-reset:
		return answer, errReset
	case <-ctx.Done():
		return answer, ctx.Err()
	}
}

// fault is the same for core/memory, which asks about each message.
func (w *wire) fault(ctx context.Context) error {
	f := w.fate()
	delay, lost := f.there, f.lostThere || w.cut.Load() || w.down.Load()
	if lost {
		delay = f.reset
	}
	var end <-chan time.Time // never, for silence
	if !lost || f.reset > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		end = timer.C
	}
	select {
	case <-end:
	case <-ctx.Done():
		return ctx.Err()
	}
	if lost || w.cut.Load() {
		return errReset
	}
	return nil
}
