//go:build unix

package redistest

import (
	"context"
	"errors"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// A provider that was given the application's client shares its connections. When
// the application has all of them, an acquire ends with its context, a holder whose
// lease cannot be renewed is told by its deadline, and work goes on afterwards.
func TestPoolIsUsedUp(t *testing.T) {
	server := start(t, testenv.RedisConfig{})
	c := admin(t, server)
	opts := *c.Options()
	opts.PoolSize, opts.PoolTimeout = 1, time.Minute
	opts.ReadTimeout = -1
	client := goredis.NewClient(&opts)
	defer client.Close()
	o := quick()
	p, err := redis.New(client, o)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	h := acquire(t, p.NewLock("held"))
	app := make(chan error, 1)
	go func() { app <- client.BLPop(context.Background(), 0, "jobs").Err() }()
	eventually(t, "the application waits on the only connection", 10*time.Second, func() bool {
		return c.InfoMap(context.Background(), "clients").Item("Clients", "blocked_clients") == "1"
	})
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = p.NewLock("other").Acquire(ctx)
	if err == nil || errors.Is(err, core.ErrNotAcquired) {
		t.Errorf("an acquire without a connection: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("an acquire took %v, and its context had 0.3s", took)
	}
	select {
	case <-h.Done():
		if !errors.Is(h.Err(), core.ErrLost) {
			t.Errorf("the hold ended with %v", h.Err())
		}
	case <-time.After(o.Lease + 10*time.Second):
		t.Fatal("the holder was not told")
	}
	if err := c.RPush(context.Background(), "jobs", "one").Err(); err != nil {
		t.Fatal(err)
	}
	if err := <-app; err != nil {
		t.Error(err)
	}
	release(t, acquire(t, p.NewLock("held")))
}
