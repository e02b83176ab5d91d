//go:build unix

package testenv

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
)

// Needs says which servers an [Environment] must have.
type Needs struct {
	Postgres bool
	Redis    bool
}

// NeedsOf returns what the tests of the given modules need, each a directory as
// go.work has it.
func NeedsOf(modules []string) Needs {
	var needs Needs
	for _, module := range modules {
		switch strings.TrimPrefix(module, "./") {
		case "postgres":
			needs.Postgres = true
		case "redis":
			needs.Redis = true
		}
	}
	return needs
}

// Environment is a set of running servers and the variables that tell of them.
type Environment struct {
	mu      sync.Mutex
	vars    []string
	closers []io.Closer
}

// StartEnvironment starts what is needed and not already named by a variable of
// this process. The caller must Close it.
func StartEnvironment(ctx context.Context, needs Needs) (*Environment, error) {
	sweep()
	e := &Environment{vars: []string{RequireServers + "=1"}}
	var starters []func(context.Context) error
	if needs.Postgres {
		starters = append(starters, e.startPostgres)
	}
	if needs.Redis {
		starters = append(starters,
			e.unlessSet(RedisVar, e.startRedis),
			e.unlessSet(RedisClusterVar, e.startRedisCluster),
			e.unlessSet(RedisSentinelVar, e.startRedisSentinel),
			e.unlessSet(RedisNodesVar, e.startRedisNodes))
	}
	errs := make([]error, len(starters))
	var starting sync.WaitGroup
	for i, start := range starters {
		starting.Go(func() { errs[i] = start(ctx) })
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Vars returns the variables as name=value. Those that were set before are not
// among them.
func (e *Environment) Vars() []string { return e.vars }

// Close stops the servers and removes their data.
func (e *Environment) Close() error {
	var errs []error
	for _, c := range slices.Backward(e.closers) { // A pooler before its server.
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

func (e *Environment) unlessSet(name string, start func(context.Context) error) func(context.Context) error {
	if os.Getenv(name) == "" {
		return start
	}
	return func(context.Context) error { return nil }
}

// add keeps a server to be closed and sets its variable.
func (e *Environment) add(c io.Closer, name, value string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closers = append(e.closers, c)
	e.vars = append(e.vars, name+"="+value)
}

// startPostgres starts a server and two poolers in front of it. With a server of
// somebody else's come that somebody's poolers, or none.
func (e *Environment) startPostgres(ctx context.Context) error {
	if os.Getenv(PostgresVar) != "" {
		return nil
	}
	pg, err := StartPostgres(ctx, PostgresConfig{})
	if err != nil {
		return err
	}
	e.add(pg, PostgresVar, pg.URL())
	for name, mode := range map[string]string{
		PgBouncerSessionVar:     "session",
		PgBouncerTransactionVar: "transaction",
	} {
		if os.Getenv(name) != "" {
			continue
		}
		pooler, err := StartPgBouncer(ctx, PgBouncerConfig{Upstream: pg, Mode: mode})
		if err != nil {
			return err
		}
		e.add(pooler, name, pooler.URL())
	}
	return nil
}

func (e *Environment) startRedis(ctx context.Context) error {
	server, err := StartRedis(ctx, RedisConfig{})
	if err != nil {
		return err
	}
	e.add(server, RedisVar, server.URL())
	return nil
}

func (e *Environment) startRedisCluster(ctx context.Context) error {
	cluster, err := StartRedisCluster(ctx, RedisClusterConfig{})
	if err != nil {
		return err
	}
	e.add(cluster, RedisClusterVar, strings.Join(cluster.Addrs(), ","))
	return nil
}

func (e *Environment) startRedisSentinel(ctx context.Context) error {
	sentinel, err := StartRedisSentinel(ctx, RedisSentinelConfig{})
	if err != nil {
		return err
	}
	e.add(sentinel, RedisSentinelVar, sentinel.Name+"@"+strings.Join(sentinel.Addrs(), ","))
	return nil
}

func (e *Environment) startRedisNodes(ctx context.Context) error {
	nodes, err := StartRedisNodes(ctx, 5, RedisConfig{})
	if err != nil {
		return err
	}
	e.add(nodes, RedisNodesVar, strings.Join(nodes.Addrs(), ","))
	return nil
}
