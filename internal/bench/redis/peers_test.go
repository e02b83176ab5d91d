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

// A peer is a library that gives lockers.
type peer struct {
	name string
	open func(site) (locker, error)
}

// A site is where a locker's server is, and how many connections the driver may make
// to it; 0 is the driver's own default.
type site struct {
	addr string
	pool int
}

// roomy has room for 64 callers, as a server program would give it.
func roomy(addr string) site { return site{addr, 64} }

// lockers are the peers, each as its documentation advises it to be used.
var lockers = []peer{
	{"distlock", newOurs},
	{"rueidislock", newRueidis},
	{"redsync", newRedsync},
	{"redislock", newRedislock},
}

// open opens one of them for as long as a test lasts.
func open(tb testing.TB, at site, how func(site) (locker, error)) locker {
	tb.Helper()
	l, err := how(at)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return l
}

func (s site) client() *goredis.Client {
	return goredis.NewClient(&goredis.Options{Addr: s.addr, PoolSize: s.pool})
}

type ours struct {
	*redis.Provider
	c *goredis.Client
}

func newOurs(at site) (locker, error) {
	c := at.client()
	p, err := redis.New(c, nil)
	return ours{p, c}, err
}

func (o ours) Close() error { return errors.Join(o.Provider.Close(), o.c.Close()) }

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
func newRueidis(at site) (locker, error) {
	l, err := rueidislock.NewLocker(rueidislock.LockerOption{
		ClientOption: rueidis.ClientOption{InitAddress: []string{at.addr}},
		KeyMajority:  1, KeyValidity: 15 * time.Second, TryNextAfter: time.Second,
	})
	return rueidisLocker{l}, err
}

func (l rueidisLocker) lock(ctx context.Context, name string) (func() error, error) {
	_, cancel, err := l.WithContext(ctx, name)
	return func() error { cancel(); return nil }, err
}

func (l rueidisLocker) Close() error { l.Locker.Close(); return nil }

type redsyncLocker struct {
	*redsync.Redsync
	c *goredis.Client
}

func newRedsync(at site) (locker, error) {
	c := at.client()
	return redsyncLocker{redsync.New(redsyncredis.NewPool(c)), c}, nil
}

func (l redsyncLocker) lock(ctx context.Context, name string) (func() error, error) {
	m := l.NewMutex(name, redsync.WithExpiry(15*time.Second), redsync.WithTries(1<<30))
	if err := m.LockContext(ctx); err != nil {
		return nil, err
	}
	return func() error { _, err := m.UnlockContext(ctx); return err }, nil
}

func (l redsyncLocker) Close() error { return l.c.Close() }

type redislockLocker struct {
	*redislock.Client
	c *goredis.Client
}

func newRedislock(at site) (locker, error) {
	c := at.client()
	return redislockLocker{redislock.New(c), c}, nil
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

func (l redislockLocker) Close() error { return l.c.Close() }

// bare is the protocol with nothing around it: no queue, no token, no lease that
// is renewed, no attempt that is given back.
type bare struct{ c *goredis.Client }

var compareAndDelete = goredis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`)

func newBare(at site) (locker, error) { return bare{at.client()}, nil }

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

func (b bare) Close() error { return b.c.Close() }
