//go:build unix

package redistest

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// start starts a server for one test. When the test has closed its providers it
// checks that they have left nothing there: no connection, and so no subscription,
// if the server still answers.
func start(t testing.TB, cfg testenv.RedisConfig) *testenv.Redis {
	t.Helper()
	r := testenv.NewRedis(t, cfg)
	t.Cleanup(func() {
		c := r.Client()
		defer c.Close()
		ctx := patient(t)
		if c.Ping(ctx).Err() != nil {
			return // The test has ended the server, and all connections with it.
		}
		left := func() string {
			return c.Do(ctx, "client", "list", "type", "normal").String() + c.Do(ctx, "client", "list", "type", "pubsub").String()
		}
		for end := time.Now().Add(15 * time.Second); strings.Count(left(), " addr=") > 1; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("connections are left, of which one is ours:\n%s", left())
				return
			}
		}
	})
	return r
}

// quick are leases short enough to be waited for.
func quick() *redis.Options {
	return &redis.Options{Lease: 2 * time.Second, Claim: time.Second, WaitLease: 3 * time.Second, Timeout: time.Second}
}

// lenient are quick leases for tests that run beside others and are not about what
// does not answer: a call may take its time.
func lenient() *redis.Options {
	o := quick()
	o.Timeout = 10 * time.Second
	return o
}

// through returns the URL of a server with the proxy's address in it.
func through(t testing.TB, serverURL string, p *faultproxy.Proxy) string {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = p.Addr()
	return u.String()
}

// open returns a provider that is closed when the test ends.
func open(t testing.TB, url string, o *redis.Options) *redis.Provider {
	t.Helper()
	p, err := redis.Open(patient(t), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// patient is a context for what must succeed.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func acquire(t testing.TB, l core.Lock) core.Handle {
	t.Helper()
	h, err := l.Acquire(patient(t))
	if err != nil {
		t.Fatalf("Acquire: %v", err)
	}
	return h
}

func release(t testing.TB, h core.Handle) {
	t.Helper()
	if err := h.Release(patient(t)); err != nil {
		t.Fatalf("Release: %v", err)
	}
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, within time.Duration, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Since(start) > within {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// admin returns a client of the server itself.
func admin(t testing.TB, r *testenv.Redis) *goredis.Client {
	c := r.Client()
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// holder returns what the key of a lock holds.
func holder(t testing.TB, c *goredis.Client, name string) string {
	t.Helper()
	return c.Get(context.Background(), "distlock:{"+name+"}").Val()
}

// queued waits until n waiters are in the queue of a lock.
func queued(t testing.TB, c *goredis.Client, name string, n int64) {
	t.Helper()
	eventually(t, "the waiters are in the queue", 10*time.Second, func() bool {
		return c.ZCard(context.Background(), "distlock:{"+name+"}:q").Val() == n
	})
}

// A log records events.
type log struct {
	mu     sync.Mutex
	events []core.Event
}

func (l *log) Observe(_ context.Context, e core.Event) {
	l.mu.Lock()
	l.events = append(l.events, e)
	l.mu.Unlock()
}

func (l *log) saw(types ...core.EventType) bool {
	for _, t := range types {
		if len(l.of(t)) > 0 {
			return true
		}
	}
	return false
}

// of returns the events of a type.
func (l *log) of(t core.EventType) []core.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.events), func(e core.Event) bool { return e.Type != t })
}

// waiting starts an acquire and returns where its outcome will be.
func waiting(ctx context.Context, l core.Lock) <-chan outcome {
	c := make(chan outcome, 1)
	go func() {
		h, err := l.Acquire(ctx)
		c <- outcome{h, err, time.Now()}
	}()
	return c
}

type outcome struct {
	h   core.Handle
	err error
	at  time.Time
}

func granted(t testing.TB, c <-chan outcome) core.Handle {
	t.Helper()
	select {
	case o := <-c:
		if o.err != nil {
			t.Fatalf("Acquire: %v", o.err)
		}
		return o.h
	case <-time.After(20 * time.Second):
		t.Fatal("the waiter was not let in")
		return nil
	}
}
