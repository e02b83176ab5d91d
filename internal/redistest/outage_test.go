//go:build unix

package redistest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// A server that does not serve for a while, for whatever reason, ends neither a hold
// whose lease is longer than that, nor a wait. (Scenario E95, for the pause.)
func TestOutageDuringAHold(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, outage := range map[string]struct {
		trouble redis.Trouble // that an acquire meets, or "": it must wait
		begin   func(c *goredis.Client) error
		end     func(c *goredis.Client) error
	}{
		"paused": {
			begin: func(c *goredis.Client) error { return c.Do(ctx, "client", "pause", 3000).Err() },
			end:   func(c *goredis.Client) error { return c.Ping(ctx).Err() }, // It is answered when the pause is over.
		},
		"busy": {
			trouble: redis.ScriptRuns,
			begin: func(c *goredis.Client) error {
				go c.Eval(ctx, "while true do end", nil)
				return nil
			},
			end: func(c *goredis.Client) error { return c.ScriptKill(ctx).Err() },
		},
		"read only": {
			trouble: redis.ReadOnly,
			begin:   func(c *goredis.Client) error { return c.Do(ctx, "replicaof", "127.0.0.1", 1).Err() },
			end:     func(c *goredis.Client) error { return c.Do(ctx, "replicaof", "no", "one").Err() },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t, testenv.RedisConfig{Settings: map[string]string{"lua-time-limit": "50"}})
			c := admin(t, server)
			o := lenient()
			o.Lease, o.Claim, o.WaitLease, o.Timeout = time.Minute, 10*time.Second, 3*time.Second, 2*time.Second
			p, q := open(t, server.URL(), o), open(t, server.URL(), o)
			h := acquire(t, p.NewLock("a"))
			w := waiting(patient(t), q.NewLock("a"))
			queued(t, c, "a", 1)
			if err := outage.begin(c); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the server does not serve, and says why", 15*time.Second, func() bool {
				brief, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
				defer cancel()
				h, err := p.NewLock("other").TryAcquire(brief)
				if err == nil {
					_ = h.Release(ctx)
					return false
				}
				var trouble *redis.TroubleError
				if outage.trouble == "" {
					return errors.Is(err, context.DeadlineExceeded)
				}
				return errors.As(err, &trouble) && trouble.Trouble == outage.trouble
			})
			time.Sleep(1500 * time.Millisecond) // More than a third of the wait lease: a poll fails.
			if err := h.Err(); err != nil {
				t.Errorf("the hold has ended: %v", err)
			}
			if len(w) > 0 {
				t.Errorf("the waiter has returned: %+v", <-w)
			}
			operator := admin(t, server)
			if err := outage.end(operator); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the server serves again", 10*time.Second, func() bool { return operator.Ping(ctx).Err() == nil })
			release(t, h)
			next := granted(t, w)
			if next.Token() <= h.Token() {
				t.Errorf("the token %d follows %d", next.Token(), h.Token())
			}
			release(t, next)
		})
	}
}

// A server that keeps its data is started again during a hold: the lease goes on, the
// holder keeps it, nobody else gets in, and who waited still does. (Scenario E89.)
func TestDurableServerRestarts(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{Durable: true})
	c := admin(t, server)
	o := lenient()
	o.Lease, o.Claim, o.WaitLease = time.Minute, 10*time.Second, 3*time.Second
	p, q := open(t, server.URL(), o), open(t, server.URL(), o)
	h := acquire(t, p.NewLock("kept"))
	w := waiting(patient(t), q.NewLock("kept"))
	queued(t, c, "kept", 1)
	before, at := c.PTTL(context.Background(), "distlock:{kept}").Val(), time.Now()
	if err := server.Restart(patient(t)); err != nil {
		t.Fatal(err)
	}
	passed := time.Since(at)
	left := c.PTTL(context.Background(), "distlock:{kept}").Val()
	if left <= 0 || left > before-passed+100*time.Millisecond {
		t.Errorf("the lease had %v left, and after %v it has %v", before, passed, left)
	}
	if _, err := q.NewLock("kept").TryAcquire(patient(t)); !errors.Is(err, core.ErrNotAcquired) {
		t.Errorf("an acquire of what is held: %v", err)
	}
	if err := h.Err(); err != nil || len(w) > 0 {
		t.Errorf("the hold: %v; waiters that have returned: %d", err, len(w))
	}
	release(t, h)
	next := granted(t, w)
	if next.Token() <= h.Token() {
		t.Errorf("the token %d follows %d", next.Token(), h.Token())
	}
	release(t, next)
}

// A server may be reached by its socket. (Scenario E106.)
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for d, mode := range map[string]os.FileMode{dir: 0o777, filepath.Dir(dir): 0o755} { // The server is another user.
		if err := os.Chmod(d, mode); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "s")
	server := start(t, testenv.RedisConfig{Settings: map[string]string{"unixsocket": path, "unixsocketperm": "777"}})
	o := lenient()
	o.Lease = time.Minute
	p, q := open(t, "unix://"+path+"?db=1", o), open(t, "unix://"+path+"?db=1", o)
	h := acquire(t, p.NewLock("a"))
	if n := admin(t, server).Exists(context.Background(), "distlock:{a}").Val(); n != 0 {
		t.Error("the lock is in another database than the URL says")
	}
	w := waiting(patient(t), q.NewLock("a"))
	eventually(t, "it waits", 10*time.Second, func() bool {
		st, err := p.Inspect(patient(t), "a")
		return err == nil && len(st) == 1 && len(st[0].Waiters) == 1
	})
	release(t, h)
	release(t, granted(t, w))
}
