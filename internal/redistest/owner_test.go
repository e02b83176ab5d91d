//go:build unix

package redistest

import (
	"errors"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
)

// Who holds a lock is asked for apart, and in a cluster of another server, which may
// be down. A grant that comes meanwhile is taken at once: it would lapse.
func TestAGrantDoesNotWaitForTheNameOfTheHolder(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	c := admin(t, server)
	var events log
	o := lenient()
	o.WaitLease, o.Observer = 60*time.Second, &events
	p, q := open(t, server.URL(), lenient()), open(t, through(t, server.URL(), proxy), o)
	listening(t, c, q)
	proxy.SetHook(func(e faultproxy.Event) faultproxy.Action {
		if e.Direction == faultproxy.Up && contains(e.Data, "\r\nget\r\n") && contains(e.Data, "distlock:i:") {
			return faultproxy.Mute
		}
		return faultproxy.Forward
	})
	h := acquire(t, p.NewLock("x"))
	w := waiting(patient(t), q.NewLock("x"))
	queued(t, c, "x", 1)
	time.Sleep(50 * time.Millisecond)
	release(t, h)
	began := time.Now()
	release(t, granted(t, w))
	if d := time.Since(began); d > 700*time.Millisecond {
		t.Errorf("the waiter got in %v after the release; the answer to who holds the lock takes a second", d)
	}
	told := events.of(core.EventWaiting)
	if last := told[len(told)-1]; last.Name != "x" || !errors.Is(last.Err, core.ErrNotAcquired) {
		t.Errorf("the observer was told of the wait: %+v", last)
	}

	// It is not asked for again and again.
	h = acquire(t, p.NewLock("x"))
	for try := range 5 {
		began := time.Now()
		if _, err := q.NewLock("x").TryAcquire(patient(t)); !errors.Is(err, core.ErrNotAcquired) {
			t.Fatal(err)
		}
		if d := time.Since(began); try > 0 && d > 700*time.Millisecond {
			t.Errorf("that the lock is held was told after %v", d)
		}
	}
	release(t, h)
}
