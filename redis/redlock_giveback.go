package redis

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/distlock/distlock-go/core"
)

// takeBack takes an attempt at one server back whose outcome is not known, or is
// not wanted any more. The cancellation may overtake the attempt, so after a call
// without an answer it is sent a second time, when the server has begun to refuse
// the attempt because of its age.
//
// A server that has refused has nothing to give back, unless it had granted the
// same attempt before. note, if there is one, is called with the outcome of each
// try.
//
// Close does not wait for a server that does not answer: what it may have granted
// ends with its lease, and is a vote of a minority.
func (x *peer) takeBack(side *claimer, a attempt, call *call, had bool, note func(error)) {
	undo := func(ctx context.Context) error {
		err := side.takeBack(ctx, a)
		if note != nil {
			note(err)
		}
		return err
	}
	x.l.background.Go(func() {
		switch answered := x.wait(call.done); {
		case !answered:
		case open(call.err) && !unsent(call.err):
			if note != nil {
				note(call.err)
			}
			expired := x.repeat(undo)
			if sleep(x.l.engine.Context(), time.Until(call.sent.Add(x.l.opts.Timeout+50*time.Millisecond))) == nil || x.up() {
				expired = x.repeat(undo)
			}
			if expired && note != nil {
				note(nil) // Nothing of it can be there any more.
			}
		case had || call.err == nil && call.reply().number(0) >= 0:
			if x.repeat(undo) && note != nil {
				note(nil)
			}
		case note != nil:
			note(nil)
		}
	})
}

// repeat calls undo until it succeeds, for as long as what it undoes can matter, and
// reports whether that time is over. A server that answers with an error is not taken
// for one that is down: it may be one key that is in its way.
func (x *peer) repeat(undo func(context.Context) error) (expired bool) {
	until := time.Now().Add(x.l.opts.Timeout + 2*x.l.opts.Lease)
	pause, patience := 20*time.Millisecond, 4*x.patience()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := undo(ctx)
		cancel()
		if err == nil {
			return false
		}
		if !answered(err) {
			x.missed(err, errors.Is(err, context.DeadlineExceeded))
		}
		switch {
		case x.over(), answered(err) && x.l.engine.Context().Err() != nil:
			return false // Close does not wait for what ends with its lease.
		case time.Now().After(until):
			x.l.engine.Observe(context.Background(), core.Event{Type: core.EventGiveBackFailed, Err: err})
			return true
		}
		time.Sleep(min(pause, 50*time.Millisecond))
		_ = sleep(x.l.engine.Context(), pause)
		pause, patience = min(2*pause, time.Second), 2*patience // It is likely on its way.
	}
}

// wait waits for something that the server does, and reports whether it has.
func (x *peer) wait(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-x.l.engine.Context().Done():
	}
	timer := time.NewTimer(4 * x.patience())
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// over reports whether the provider is being closed and the server is down.
func (x *peer) over() bool { return x.l.engine.Context().Err() != nil && !x.up() }

// unsent reports whether a request failed before there was a connection to send it
// on.
func unsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
