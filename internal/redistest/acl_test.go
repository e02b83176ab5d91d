//go:build unix

package redistest

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

func contains(b []byte, text string) bool { return bytes.Contains(b, []byte(text)) }

func setUser(t testing.TB, c *goredis.Client, rules []string) {
	t.Helper()
	args := []any{"acl", "setuser"}
	for _, r := range rules {
		args = append(args, r)
	}
	if err := c.Do(context.Background(), args...).Err(); err != nil {
		t.Fatal(err)
	}
}

func withUser(t testing.TB, serverURL, user, password string) string {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

func withoutChannels(rules []string) []string {
	return slices.DeleteFunc(slices.Clone(rules), func(r string) bool { return strings.HasPrefix(r, "&") })
}

// The rights that ACL lists are enough for everything but List and Check's INFO.
func TestACLIsEnough(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	setUser(t, c, append([]string{"locker", "on", ">pw"}, redis.ACL("", false)...))
	var events log
	o := lenient()
	o.Observer = &events
	url := withUser(t, server.URL(), "locker", "pw")
	p, q := open(t, url, o), open(t, url, o)
	for _, objects := range [][2]core.Lock{
		{p.NewLock("a"), q.NewLock("a")},
		{core.Writer(p.NewRWLock("a")), core.Reader(q.NewRWLock("a"))},
		{p.NewSemaphore("a", 1), q.NewSemaphore("a", 1)},
	} {
		h := acquire(t, objects[0])
		_, err := objects[1].TryAcquire(patient(t))
		var held *core.HeldError
		if !errors.As(err, &held) || held.Holder.Owner.PID == 0 {
			t.Errorf("the holder is not told: %v", err)
		}
		w := waiting(patient(t), objects[1])
		eventually(t, "the waiter is in the queue", 5e9, func() bool {
			return c.Exists(context.Background(), "distlock:{a}:q", "distlock:{a}:rw:q", "distlock:{a}:sem:q").Val() == 1
		})
		release(t, h)
		release(t, granted(t, w))
	}
	h := acquire(t, p.NewLock("renewed"))
	eventually(t, "the lease is renewed", 5e9, func() bool { return events.saw(core.EventRenewed) })
	release(t, h)
	if _, err := p.Inspect(patient(t), "a"); err != nil {
		t.Error(err)
	}
	h = acquire(t, p.NewLock("broken"))
	if n, err := q.Break(patient(t), core.KindLock, "broken"); n != 1 || err != nil {
		t.Errorf("Break returned %d, %v", n, err)
	}
	<-h.Done()
	if r, err := p.Check(patient(t)); err != nil {
		t.Error(err)
	} else if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "+info") {
		t.Errorf("Check warns: %q", r.Warnings)
	}
	notRefused(t, &events)
	nothingRefused(t, c, "locker", "info")
}

// notRefused checks that no event tells of a right that is missing. A renewal may
// have been late, on a busy machine.
func notRefused(t *testing.T, events *log) {
	t.Helper()
	if events.saw(core.EventDegraded) {
		t.Errorf("waiters poll: %v", events.of(core.EventDegraded))
	}
	for _, e := range append(events.of(core.EventRenewFailed), events.of(core.EventGiveBackFailed)...) {
		var trouble *redis.TroubleError
		if errors.As(e.Err, &trouble) && trouble.Trouble == redis.NoPermission {
			t.Errorf("%s: %v", e.Type, e.Err)
		}
	}
}

// refusals returns which commands, and channels, a server has refused a user.
func refusals(t testing.TB, c *goredis.Client, user string) []string {
	t.Helper()
	entries, err := c.ACLLog(context.Background(), 1000).Result()
	if err != nil {
		t.Fatal(err)
	}
	var objects []string
	for _, e := range entries {
		if e.Username == user {
			objects = append(objects, e.Object)
		}
	}
	return objects
}

// nothingRefused checks that a user was refused nothing but what the driver tries
// of its own accord, and these.
func nothingRefused(t testing.TB, c *goredis.Client, user string, but ...string) {
	t.Helper()
	but = append(but, "client", "client|setinfo", "client|maint_notifications")
	for _, object := range refusals(t, c, user) {
		if !slices.Contains(but, object) {
			t.Errorf("the server has refused %q", object)
		}
	}
}
