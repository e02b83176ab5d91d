package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// Open connects to the deployment that a URL names and returns a provider with a
// client of its own, which Close closes. Open does one round trip, so that a
// wrong address or password shows here: errors match core.ErrInvalid or
// core.ErrUnavailable, and never tell the password.
//
//	redis://[user:password@]host[:port][/db]
//	rediss://...                                     the same over TLS
//	unix:///path/to/socket?db=0
//	redis://host,host,host/?mode=cluster             some nodes of a cluster
//	redis://host,host/db?mode=sentinel&master=NAME   some sentinels of a master
//
// The user and the password are for the servers; sentinels have theirs in
// sentinel_user and sentinel_password. More parameters:
//
//	prefix, lease, max_hold, claim, wait_lease, token_retention, replica_acks,
//	replica_timeout, timeout   as in [Options], which they override
//	db                         the database, where the path cannot tell it
//	protocol                   2 or 3, of RESP; default 3
//	pool                       connections per server; default 8
//	ca                         a file of certificates to trust, instead of the system's
//	server_name                the name in the server's certificate
//	insecure                   true: believe any certificate; for tests only
//
// Any other parameter is an error.
func Open(ctx context.Context, rawURL string, opts *Options) (*Provider, error) {
	p, err := openURL(ctx, rawURL, opts)
	if err != nil {
		return nil, &core.Error{Op: "open", Err: err}
	}
	return p, nil
}

func openURL(ctx context.Context, rawURL string, opts *Options) (*Provider, error) {
	t, err := parseURL(rawURL, opts)
	if err != nil {
		return nil, err
	}
	c := t.client()
	p, err := newProvider(c, &t.opts)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	p.own = c
	if err := p.greet(ctx); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// greet makes sure that the server answers, and is of the kind that the client
// takes it for.
//
// A client for one server may well use a cluster of which that one serves all slots,
// and is refused all keys of others: so it asks, in one go, for keys of many slots.
func (p *Provider) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.opts.Timeout)
	defer cancel()
	keys := 1
	if p.servers.cluster == nil {
		keys = 32
	}
	var calls []*call
	for range keys {
		key := p.opts.Prefix + ":i:" + newInst()
		calls = append(calls, p.plain(key, "get", key))
	}
	p.servers.send(calls...)
	for _, c := range calls {
		err := c.wait(ctx)
		switch {
		case err == nil || errors.Is(err, goredis.Nil):
		case over(ctx, err):
			return &TroubleError{Unreachable, "", fmt.Errorf("no answer: %w", err)}
		default:
			return diagnose(err)
		}
	}
	return nil
}

// client makes the client: it does not retry by itself, observes deadlines, and
// gives a dead network up soon.
func (t *target) client() goredis.UniversalClient {
	timeout := t.opts.Timeout
	if timeout == 0 {
		timeout = 5 * time.Second
	}
	dial := min(timeout, 3*time.Second)
	switch t.mode {
	case "cluster":
		return goredis.NewClusterClient(&goredis.ClusterOptions{
			Addrs: slices.Clone(t.addrs), Username: t.user, Password: t.password, TLSConfig: t.tls, Protocol: t.protocol,
			MaxRetries: -1, ContextTimeoutEnabled: true, PoolSize: t.pool,
			DialTimeout: dial, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout,
		})
	case "sentinel":
		return goredis.NewFailoverClient(&goredis.FailoverOptions{
			MasterName: t.master, SentinelAddrs: slices.Clone(t.addrs),
			SentinelUsername: t.sentinelUser, SentinelPassword: t.sentinelPassword,
			Username: t.user, Password: t.password, DB: t.db, TLSConfig: t.tls, Protocol: t.protocol,
			MaxRetries: -1, ContextTimeoutEnabled: true, PoolSize: t.pool,
			DialTimeout: dial, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout,
		})
	default:
		return goredis.NewClient(&goredis.Options{
			Network: t.network, Addr: t.addrs[0], Username: t.user, Password: t.password, DB: t.db, TLSConfig: t.tls, Protocol: t.protocol,
			MaxRetries: -1, ContextTimeoutEnabled: true, PoolSize: t.pool,
			DialTimeout: dial, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout,
		})
	}
}
