//go:build unix

package redistest

import (
	"context"
	"errors"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/faultproxy"
	"github.com/distlock/distlock-go/internal/testenv"
	"github.com/distlock/distlock-go/redis"
)

// A subscription that is being made to a server that says nothing keeps nobody from
// going: each acquire meanwhile ends with its context.
func TestSubscriptionThatHangsHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	server := start(t, testenv.RedisConfig{})
	proxy := faultproxy.New(t, server.Addr())
	client := goredis.NewClient(&goredis.Options{Addr: proxy.Addr(), ReadTimeout: 20 * time.Second})
	t.Cleanup(func() { _ = client.Close() })
	p, err := redis.New(client, &redis.Options{Lease: time.Minute, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	h := acquire(t, p.NewLock("held"))
	proxy.BlackHole() // The hold makes the provider subscribe once it has lasted.
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		_, err := p.NewLock("other").Acquire(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, core.ErrUnavailable) {
			t.Errorf("an acquire: %v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("an acquire with a context of 50ms took %v", took)
		}
	}
	proxy.Cut() // Who waits for an answer is told that there is none.
	proxy.Heal()
	release(t, h)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
