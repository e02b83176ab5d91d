//go:build unix

package redistest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// whileDeaf has a provider make its subscription while something is in the way, and
// checks that it is told so, and told when that is over; and that it is handed over to
// by messages then.
func whileDeaf(t *testing.T, server *testenv.Redis, proxy *faultproxy.Proxy, over func()) {
	t.Helper()
	c := admin(t, server)
	var events log
	o := lenient()
	o.Timeout, o.Lease, o.WaitLease, o.Observer = time.Second, 30*time.Second, 90*time.Second, &events
	p, q := open(t, server.URL(), &redis.Options{Lease: 30 * time.Second}), open(t, through(t, server.URL(), proxy), o)
	h := acquire(t, p.NewLock("deaf"))
	w := waiting(patient(t), q.NewLock("deaf"))
	eventually(t, "the observer is told that no messages come", 15*time.Second, func() bool { return events.saw(core.EventDegraded) })
	over()
	eventually(t, "the observer is told that they come again", 15*time.Second, func() bool { return events.saw(core.EventRecovered) })
	if n := len(events.of(core.EventDegraded)); n != 1 {
		t.Errorf("the observer was told %d times that no messages come", n)
	}
	eventually(t, "the server is told so", 5*time.Second, func() bool {
		for _, till := range c.HVals(context.Background(), "distlock:{deaf}:w").Val() {
			return till[len(till)-1] == '+'
		}
		return false
	})
	time.Sleep(500 * time.Millisecond) // No poll is under way now, and the next one comes after half a minute.
	release(t, h)
	began := time.Now()
	release(t, granted(t, w))
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("the hand-over took %v", d)
	}
	b := acquire(t, q.NewLock("broken"))
	if n, err := p.Break(patient(t), core.KindLock, "broken"); n != 1 || err != nil {
		t.Errorf("Break returned %d, %v", n, err)
	}
	select {
	case <-b.Done():
	case <-time.After(5 * time.Second):
		t.Error("the holder is not told that its hold was broken")
	}
}

// A server that is busy with somebody's script answers SUBSCRIBE with an error, after
// which the driver would wait for messages for ever.
func TestASubscriptionThatIsAnsweredWithAnError(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{Settings: map[string]string{"lua-time-limit": "50"}})
	proxy := faultproxy.New(t, server.Addr())
	c := admin(t, server)
	busy := func() bool { return goredis.HasErrorPrefix(c.Ping(context.Background()).Err(), "BUSY ") }
	var begun atomic.Bool
	proxy.SetHook(func(e faultproxy.Event) faultproxy.Action {
		if e.Direction == faultproxy.Up && contains(e.Data, "\r\nsubscribe\r\n") && begun.CompareAndSwap(false, true) {
			go func() {
				c := server.Client()
				defer c.Close()
				_ = c.Eval(context.Background(), "while true do end", nil).Err() // It is killed.
			}()
			for end := time.Now().Add(10 * time.Second); !busy() && time.Now().Before(end); {
				time.Sleep(5 * time.Millisecond)
			}
		}
		return faultproxy.Forward
	})
	whileDeaf(t, server, proxy, func() {
		eventually(t, "the script is killed", 5*time.Second, func() bool {
			_ = c.ScriptKill(context.Background()).Err() // It fails if there is none.
			return begun.Load() && !busy()
		})
	})
}

// The answer to SUBSCRIBE is lost, and the connection stays open.
func TestASubscriptionThatIsNotAnswered(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	proxy.SetHook(func(e faultproxy.Event) faultproxy.Action {
		if e.Direction == faultproxy.Down && contains(e.Data, "\r\nsubscribe\r\n") {
			return faultproxy.Mute
		}
		return faultproxy.Forward
	})
	whileDeaf(t, server, proxy, func() { proxy.SetHook(nil) })
}
