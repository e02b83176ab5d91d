//go:build unix

package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	redsyncredis "github.com/go-redsync/redsync/v4/redis/goredis/v9"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"

	"github.com/distlock/distlock-go/redis"
)

// A locker acquires a lock by name, waiting for it, and returns its release.
type locker interface {
	lock(ctx context.Context, name string) (unlock func() error, err error)
	Close() error
}

// lockers are the peers, each as its documentation advises it to be used.
var lockers = []struct {
	name string
	open func(testing.TB, string) locker
}{
	{"distlock", newOurs},
	{"rueidislock", newRueidis},
	{"redsync", newRedsync},
	{"redislock", newRedislock},
}

// client has room for 64 callers, as a server program would give it.
func client(tb testing.TB, addr string) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: addr, PoolSize: 64})
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

type ours struct{ *redis.Provider }

func newOurs(tb testing.TB, addr string) locker {
	p, err := redis.New(client(tb, addr), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return ours{p}
}

func (o ours) lock(ctx context.Context, name string) (func() error, error) {
	h, err := o.NewLock(name).Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return func() error { return h.Release(ctx) }, nil
}

type rueidisLocker struct{ rueidislock.Locker }

// newRueidis takes one key per lock: that is what a single server needs, and it
// is the faster setting.
func newRueidis(tb testing.TB, addr string) locker {
	l, err := rueidislock.NewLocker(rueidislock.LockerOption{
		ClientOption: rueidis.ClientOption{InitAddress: []string{addr}},
		KeyMajority:  1, KeyValidity: 15 * time.Second, TryNextAfter: time.Second,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return rueidisLocker{l}
}

func (l rueidisLocker) lock(ctx context.Context, name string) (func() error, error) {
	_, cancel, err := l.WithContext(ctx, name)
	return func() error { cancel(); return nil }, err
}

func (l rueidisLocker) Close() error { l.Locker.Close(); return nil }

type redsyncLocker struct{ *redsync.Redsync }

func newRedsync(tb testing.TB, addr string) locker {
	return redsyncLocker{redsync.New(redsyncredis.NewPool(client(tb, addr)))}
}

func (l redsyncLocker) lock(ctx context.Context, name string) (func() error, error) {
	m := l.NewMutex(name, redsync.WithExpiry(15*time.Second), redsync.WithTries(1<<30))
	if err := m.LockContext(ctx); err != nil {
		return nil, err
	}
	return func() error { _, err := m.UnlockContext(ctx); return err }, nil
}

func (redsyncLocker) Close() error { return nil }

type redislockLocker struct{ *redislock.Client }

func newRedislock(tb testing.TB, addr string) locker {
	return redislockLocker{redislock.New(client(tb, addr))}
}

func (l redislockLocker) lock(ctx context.Context, name string) (func() error, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Hour) // Its default is the lease.
	held, err := l.Obtain(ctx, name, 15*time.Second, &redislock.Options{RetryStrategy: redislock.LinearBackoff(100 * time.Millisecond)})
	if err != nil {
		cancel()
		return nil, err
	}
	return func() error { defer cancel(); return held.Release(ctx) }, nil
}

func (redislockLocker) Close() error { return nil }

// bare is the protocol with nothing around it: no queue, no token, no lease that
// is renewed, no attempt that is given back.
type bare struct{ c *goredis.Client }

var compareAndDelete = goredis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`)

func newBare(tb testing.TB, addr string) locker { return bare{client(tb, addr)} }

func (b bare) lock(ctx context.Context, name string) (func() error, error) {
	var id [16]byte
	_, _ = rand.Read(id[:])
	token := hex.EncodeToString(id[:])
	ok, err := b.c.SetNX(ctx, name, token, 15*time.Second).Result()
	if err == nil && !ok {
		err = errors.New("held")
	}
	return func() error { return compareAndDelete.Run(ctx, b.c, []string{name}, token).Err() }, err
}

func (bare) Close() error { return nil }
