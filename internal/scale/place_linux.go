package scale

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/internal/testenv"
)

// A place is a backend with one server of its kind, three for RedLock, and none
// for files.
type place struct {
	name  string
	url   string
	usage func(context.Context) (usage, error)
	close []func() error
}

// usage is what the servers have used by now.
type usage struct {
	cpu         time.Duration
	memory      int64 // bytes
	connections int
}

// Places are the names of the backends that can be measured.
func Places() []string { return []string{"file", "postgres", "redis", "redlock"} }

func open(ctx context.Context, name string) (*place, error) {
	p := &place{name: name}
	var err error
	switch name {
	case "file":
		err = p.files()
	case "postgres":
		err = p.postgres(ctx)
	case "redis":
		err = p.redis(ctx, 1)
	case "redlock":
		err = p.redis(ctx, 3)
	default:
		err = fmt.Errorf("there is no backend %q; there are %v", name, Places())
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close stops the servers.
func (p *place) Close() error {
	var errs []error
	for _, f := range slices.Backward(p.close) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

func (p *place) files() error {
	dir, err := os.MkdirTemp("", "scale")
	if err != nil {
		return err
	}
	p.close = append(p.close, func() error { return os.RemoveAll(dir) })
	p.url = "file://" + dir
	p.usage = func(context.Context) (usage, error) { return usage{}, nil }
	return nil
}

func (p *place) redis(ctx context.Context, n int) error {
	servers, err := testenv.StartRedisNodes(ctx, n, testenv.RedisConfig{Settings: map[string]string{"maxclients": "20000"}})
	if err != nil {
		return err
	}
	p.close = append(p.close, servers.Close)
	var clients []*goredis.Client
	for _, s := range servers {
		c := s.Client()
		p.close = append(p.close, c.Close)
		clients = append(clients, c)
	}
	p.url = "redis://" + strings.Join(servers.Addrs(), ",") + "/"
	if n > 1 {
		p.url += "?mode=redlock"
	}
	p.usage = func(ctx context.Context) (all usage, err error) {
		for _, c := range clients {
			text, err := c.Info(ctx, "cpu", "memory", "clients").Result()
			if err != nil {
				return all, err
			}
			all.cpu += time.Duration((number(text, "used_cpu_sys:") + number(text, "used_cpu_user:")) * 1e9)
			all.memory += int64(number(text, "used_memory:"))
			all.connections += int(number(text, "connected_clients:")) - 1 // ours
		}
		return all, nil
	}
	return nil
}

// number returns what INFO says of a field.
func number(info, field string) float64 {
	_, rest, _ := strings.Cut(info, "\n"+field)
	value, _, _ := strings.Cut(rest, "\r")
	n, _ := strconv.ParseFloat(value, 64)
	return n
}

func (p *place) postgres(ctx context.Context) error {
	pg, err := testenv.StartPostgres(ctx, testenv.PostgresConfig{Settings: map[string]string{
		"max_connections": "1200", "max_locks_per_transaction": "64", // 76 800 locks
	}})
	if err != nil {
		return err
	}
	p.close = append(p.close, pg.Close)
	c, err := pgx.Connect(ctx, pg.URL())
	if err != nil {
		return err
	}
	p.close = append(p.close, func() error { return c.Close(context.Background()) })
	p.url = pg.URL()
	if strings.Contains(p.url, "?") {
		p.url += "&max_holds=20000"
	} else {
		p.url += "?max_holds=20000"
	}
	p.usage = func(ctx context.Context) (usage, error) {
		var u usage
		var pid int
		err := c.QueryRow(ctx, "select pg_backend_pid(), (select count(*) - 1 from pg_stat_activity where backend_type = 'client backend')").Scan(&pid, &u.connections)
		if err != nil {
			return u, err
		}
		main, err := readProcess(pid)
		if err != nil {
			return u, err
		}
		u.cpu, u.memory, err = family(main.parent)
		return u, err
	}
	return nil
}
