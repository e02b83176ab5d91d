package distlock

import (
	"context"
	"net/url"

	"github.com/distlock/distlock-go/redis"
)

// RedisProvider, RedLockProvider and RedisOptions are those of package redis.
type (
	RedisProvider   = redis.Provider
	RedLockProvider = redis.RedLock
	RedisOptions    = redis.Options
)

// OpenRedis returns a provider whose locks are on the Redis deployment that a URL
// names; see [redis.Open].
func OpenRedis(ctx context.Context, url string, opts *RedisOptions) (*RedisProvider, error) {
	return redis.Open(ctx, url, opts)
}

// OpenRedLock returns a provider whose locks are on a majority of independent
// Redis servers; see [redis.OpenRedLock].
func OpenRedLock(ctx context.Context, servers []string, opts *RedisOptions) (*RedLockProvider, error) {
	return redis.OpenRedLock(ctx, servers, opts)
}

// parseRedis reads a redis:, rediss: or unix: URL. Its parameters are those of
// package redis, which refuses what it does not know; mode=redlock is ours,
// because there each host is a server of its own.
func parseRedis(a *address, opts Options) (opener, error) {
	o := redis.Options{Observer: opts.Observer}
	if opts.Owner != (Owner{}) {
		o.Owner = &opts.Owner
	}
	if a.query.Get("mode") == "redlock" {
		return parseRedLock(a, &o)
	}
	target := a.with(a.query)
	return func(ctx context.Context) (Provider, error) { return provide(redis.Open(ctx, target, &o)) }, nil
}

func parseRedLock(a *address, o *RedisOptions) (opener, error) {
	if a.scheme == "unix" || len(a.hosts) == 0 {
		return nil, invalid("mode=redlock needs the servers as hosts, as in redis://a:6379,b:6379,c:6379/?mode=redlock")
	}
	if err := a.apply(redLockParams(o)); err != nil {
		return nil, err
	}
	servers := make([]string, len(a.hosts))
	for i, host := range a.hosts {
		one := *a
		one.hosts = []string{host}
		servers[i] = one.with(url.Values{})
	}
	return func(ctx context.Context) (Provider, error) { return provide(redis.OpenRedLock(ctx, servers, o)) }, nil
}

func redLockParams(o *RedisOptions) []param {
	return []param{
		{"mode", func(string) error { return nil }}, // It is what led here.
		text("prefix", &o.Prefix),
		duration("lease", &o.Lease),
		duration("max_hold", &o.MaxHold),
		duration("claim", &o.Claim),
		duration("wait_lease", &o.WaitLease),
		duration("token_retention", &o.TokenRetention),
		duration("timeout", &o.Timeout),
	}
}
