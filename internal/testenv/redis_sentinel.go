//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

// RedisSentinelConfig says what kind of deployment is wanted.
type RedisSentinelConfig struct {
	RedisConfig
	Replicas  int // 0 means 1
	Sentinels int // 0 means 3
}

// RedisSentinel is a private primary with replicas and the sentinels that watch
// it. A primary that is silent for a second is replaced by a replica.
type RedisSentinel struct {
	Name      string // of the primary, for sentinels
	Primary   *Redis // as it was at the start
	Replicas  []*Redis
	Sentinels []*Sentinel
}

// Sentinel is one of the processes that watch a primary.
type Sentinel struct{ Server }

// Stop asks the sentinel to end and returns when it has.
func (s *Sentinel) Stop(ctx context.Context) error { return s.stop(ctx, syscall.SIGTERM) }

// NewRedisSentinel starts a deployment for one test, like [NewRedis].
func NewRedisSentinel(tb testing.TB, cfg RedisSentinelConfig) *RedisSentinel {
	tb.Helper()
	return forTest(tb, func(ctx context.Context) (*RedisSentinel, error) { return StartRedisSentinel(ctx, cfg) })
}

// StartRedisSentinel starts a deployment and returns when the sentinels know
// each other and the replicas. The caller must Close it.
func StartRedisSentinel(ctx context.Context, cfg RedisSentinelConfig) (*RedisSentinel, error) {
	if cfg.Replicas == 0 {
		cfg.Replicas = 1
	}
	if cfg.Sentinels == 0 {
		cfg.Sentinels = 3
	}
	s := &RedisSentinel{Name: "distlock"}
	if err := s.start(ctx, cfg); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *RedisSentinel) start(ctx context.Context, cfg RedisSentinelConfig) error {
	var err error
	if s.Primary, err = StartRedis(ctx, cfg.RedisConfig); err != nil {
		return err
	}
	s.Replicas, err = startAll(cfg.Replicas, func() (*Redis, error) {
		return startRedis(ctx, cfg.RedisConfig, []string{"--replicaof", "127.0.0.1", strconv.Itoa(s.Primary.Port())})
	})
	if err != nil {
		return err
	}
	for range cfg.Sentinels {
		sentinel, err := s.startSentinel(ctx, cfg)
		if err != nil {
			return err
		}
		s.Sentinels = append(s.Sentinels, sentinel)
	}
	return until(ctx, startTimeout, func(ctx context.Context) error { return s.complete(ctx) })
}

func (s *RedisSentinel) startSentinel(ctx context.Context, cfg RedisSentinelConfig) (*Sentinel, error) {
	where, err := choose(ctx, cfg.family())
	if err != nil {
		return nil, err
	}
	var sentinel *Sentinel
	err = withPort(func(port int) error {
		sentinel = &Sentinel{Server{name: "sentinel", port: port}}
		sentinel.ready = (&Redis{Server: Server{port: port}}).ping
		sentinel.launcher, err = launcherFor(where, program{
			args:  func(string) []string { return []string{"sentinel.conf", "--sentinel"} },
			files: map[string]string{"sentinel.conf": s.conf(port, cfg)},
		})
		if err != nil {
			return err
		}
		if err := sentinel.Start(ctx); err != nil {
			return errors.Join(err, sentinel.Close())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sentinel, nil
}

// conf is a file and no arguments, because a sentinel rewrites it.
func (s *RedisSentinel) conf(port int, cfg RedisSentinelConfig) string {
	lines := []string{
		fmt.Sprintf("port %d", port),
		"bind 127.0.0.1",
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d %d", s.Name, s.Primary.Port(), cfg.Sentinels/2+1),
		fmt.Sprintf("sentinel down-after-milliseconds %s 1000", s.Name),
		fmt.Sprintf("sentinel failover-timeout %s 3000", s.Name),
	}
	if cfg.Password != "" {
		lines = append(lines, fmt.Sprintf("sentinel auth-pass %s %s", s.Name, cfg.Password))
	}
	return strings.Join(lines, "\n") + "\n"
}

// complete tells which sentinel does not know all the others and all replicas
// yet.
func (s *RedisSentinel) complete(ctx context.Context) error {
	for _, sentinel := range s.Sentinels {
		client := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr(), MaxRetries: -1})
		defer client.Close() //nolint:gocritic // deferInLoop: three sentinels, and the function returns.
		state, err := client.Master(ctx, s.Name).Result()
		if err != nil {
			return err
		}
		others, replicas := strconv.Itoa(len(s.Sentinels)-1), strconv.Itoa(len(s.Replicas))
		if state["num-other-sentinels"] != others || state["num-slaves"] != replicas || state["flags"] != "master" {
			return fmt.Errorf("testenv: sentinel %s knows %s sentinels and %s replicas of a primary that is %s",
				sentinel.Addr(), state["num-other-sentinels"], state["num-slaves"], state["flags"])
		}
	}
	return nil
}

// PrimaryNow returns the server that the first sentinel that answers takes for
// the primary, which changes with a failover.
func (s *RedisSentinel) PrimaryNow(ctx context.Context) (*Redis, error) {
	var errs []error
	for _, sentinel := range s.Sentinels {
		client := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr(), MaxRetries: -1})
		defer client.Close() //nolint:gocritic // deferInLoop: three sentinels, and the function returns.
		addr, err := client.GetMasterAddrByName(ctx, s.Name).Result()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, server := range append([]*Redis{s.Primary}, s.Replicas...) {
			if len(addr) == 2 && addr[1] == strconv.Itoa(server.Port()) {
				return server, nil
			}
		}
		errs = append(errs, fmt.Errorf("testenv: sentinel %s names a primary %v that is none of ours", sentinel.Addr(), addr))
	}
	return nil, errors.Join(errs...)
}

// Addrs returns the host:port of every sentinel.
func (s *RedisSentinel) Addrs() []string {
	var all []string
	for _, sentinel := range s.Sentinels {
		all = append(all, sentinel.Addr())
	}
	return all
}

// Close kills all servers and sentinels and removes their data.
func (s *RedisSentinel) Close() error {
	var errs []error
	for _, sentinel := range s.Sentinels {
		errs = append(errs, sentinel.Close())
	}
	return errors.Join(append(errs, closeAll(append([]*Redis{s.Primary}, s.Replicas...)))...)
}
