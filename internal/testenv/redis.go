//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisConfig says what kind of server is wanted. The zero value is a Redis that
// takes every client and keeps its data in memory only: after a restart it is
// empty.
type RedisConfig struct {
	// Valkey asks for Valkey, also where there is a Redis.
	Valkey bool

	// Password, if set, is the default user's.
	Password string

	// Settings are lines of redis.conf, such as {"maxmemory": "10mb"}.
	Settings map[string]string

	// Durable keeps the data over restarts and kills, by an append-only file
	// that is synced with every write.
	Durable bool

	// Env is added to the server's environment. It needs a server that is
	// installed, and no container.
	Env map[string]string
}

// Redis is a private Redis or Valkey server.
type Redis struct {
	Server
	password string
}

// NewRedis starts a server for one test. Without the programs the test fails if
// [RequireServers] is set, and is skipped otherwise.
func NewRedis(tb testing.TB, cfg RedisConfig) *Redis {
	tb.Helper()
	return forTest(tb, func(ctx context.Context) (*Redis, error) { return StartRedis(ctx, cfg) })
}

// StartRedis starts a server. The caller must Close it.
func StartRedis(ctx context.Context, cfg RedisConfig) (*Redis, error) {
	return startRedis(ctx, cfg, nil)
}

// startRedis starts a server with extra arguments after the settings.
func startRedis(ctx context.Context, cfg RedisConfig, extra []string) (*Redis, error) {
	where, err := choose(ctx, cfg.family())
	if err != nil {
		return nil, err
	}
	// Redis 7 must be told to allow DEBUG, and Redis 6 does not know the setting.
	debug := []string{"--enable-debug-command", "yes"}
	r, err := startRedisAt(ctx, where, cfg, slices.Concat(debug, extra))
	if err != nil && strings.Contains(err.Error(), "enable-debug-command") {
		r, err = startRedisAt(ctx, where, cfg, extra)
	}
	return r, err
}

func startRedisAt(ctx context.Context, where origin, cfg RedisConfig, extra []string) (*Redis, error) {
	if where.dir == "" && cfg.Env != nil {
		return nil, fmt.Errorf("%w: an environment needs a %s that is installed", ErrContained, where.server)
	}
	var r *Redis
	err := withPort(func(port int) (err error) {
		r = &Redis{password: cfg.Password, Server: Server{name: where.server, port: port}}
		r.ready = r.ping
		args := append(redisFlags(cfg, port), extra...)
		if r.launcher, err = launcherFor(where, program{env: cfg.Env, args: func(string) []string { return args }}); err != nil {
			return err
		}
		if err := r.Start(ctx); err != nil {
			return errors.Join(err, r.Close())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (cfg RedisConfig) family() family {
	if cfg.Valkey {
		return valkeyFamily
	}
	return redisFamily
}

func redisFlags(cfg RedisConfig, port int) []string {
	settings := map[string]string{
		"port":       strconv.Itoa(port),
		"bind":       "127.0.0.1",
		"save":       "",
		"appendonly": "no",
	}
	if cfg.Durable {
		settings["appendonly"], settings["appendfsync"] = "yes", "always"
	}
	if cfg.Password != "" {
		settings["requirepass"], settings["masterauth"] = cfg.Password, cfg.Password
	}
	maps.Copy(settings, cfg.Settings)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "--"+name, settings[name])
	}
	return args
}

func (r *Redis) ping(ctx context.Context) error {
	client := r.Client()
	defer client.Close()
	return client.Ping(ctx).Err()
}

// Client returns a new client of this one server, which the caller must close.
// It does not retry: what fails has failed.
func (r *Redis) Client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr:                  r.Addr(),
		Password:              r.password,
		MaxRetries:            -1,
		DialerRetries:         1,
		ContextTimeoutEnabled: true,
		DialTimeout:           5 * time.Second,
	})
}

// URL returns the server's redis:// URL.
func (r *Redis) URL() string {
	u := url.URL{Scheme: "redis", Host: r.Addr(), Path: "/0"}
	if r.password != "" {
		u.User = url.UserPassword("", r.password)
	}
	return u.String()
}

// Stop asks the server to end and returns when it has.
func (r *Redis) Stop(ctx context.Context) error { return r.stop(ctx, syscall.SIGTERM) }

// Restart stops the server and starts it on the same port.
func (r *Redis) Restart(ctx context.Context) error {
	if err := r.Stop(ctx); err != nil {
		return err
	}
	return r.Start(ctx)
}
