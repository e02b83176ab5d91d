package redis

import (
	"context"
	"testing"
	"time"
)

// A refusal is what a server answers with an error.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

// A server that refuses to undo something answers: it is not taken for one that is
// down. What is undone by then, or cannot matter any more, is known to be gone.
func TestARefusedUndoIsNoSilence(t *testing.T) {
	x := peers(t, newMutable(t))[0]
	tries := 0
	expired := x.repeat(func(context.Context) error {
		if tries++; tries < 3 {
			return refusal("WRONGTYPE Operation against a key holding the wrong kind of value")
		}
		return nil
	})
	if !x.up() || expired || tries != 3 {
		t.Errorf("after %d tries the server is taken for one that is up: %v; out of time: %v", tries, x.up(), expired)
	}
	x.l.opts.Timeout, x.l.opts.Lease = 10*time.Millisecond, 10*time.Millisecond
	if !x.repeat(func(context.Context) error { return refusal("NOPERM") }) {
		t.Error("what is left undone when it cannot matter any more is not known to be gone")
	}
	x.l.opts.Lease = time.Hour
	tries = 0
	_ = x.l.engine.Close()
	if x.repeat(func(context.Context) error { tries++; return refusal("READONLY") }); tries != 1 {
		t.Errorf("Close waits for %d tries at a server that refuses", tries)
	}
	if x.repeat(func(context.Context) error { return context.DeadlineExceeded }); x.up() {
		t.Error("a server that does not answer is taken for one that is up")
	}
}
