package postgres

import (
	"fmt"
	"strings"
	"time"

	"github.com/distlock/distlock-go/core"
)

// Options of a [Provider]. A field that is not set takes its default; nil
// Options take all of them.
type Options struct {
	// Namespace keeps applications that share a database apart: it is part of
	// every key. Default [DefaultNamespace]. It must not contain a zero byte.
	Namespace string

	// Keys says how names become keys. Default [Hashed].
	Keys KeyScheme

	// Observer is told of events. Default: nobody.
	Observer core.Observer

	// Owner tells others who holds a lock; it is shown in the application_name
	// of each connection, cut to its 63 bytes. Default [core.ThisProcess].
	Owner core.Owner

	// MaxHolds is the most holds that the provider has at a time, over all
	// names; an acquire beyond it fails with [ErrTooManyHolds]. It protects the
	// server: its lock table is shared by all of its users, and a full one stops
	// them all. The table has max_locks_per_transaction * (max_connections +
	// max_prepared_transactions) entries, 6400 by default. Default 2048.
	MaxHolds int

	// HoldsPerSession is the most holds that one connection carries before the
	// next one is opened. Each statement costs the server time in proportion to
	// the locks of its session. Default 512.
	HoldsPerSession int

	// MaxWaiters is the most connections on which acquires wait at the server,
	// one for each contended name; a lock that was acquired by waiting stays on
	// its connection until it is released. Waits for further names are served by
	// notifications and a slow poll, and are then behind those of other processes.
	// Default 8.
	MaxWaiters int

	// WaitSlice is the longest time for which one statement waits at the server;
	// it is then sent again, at the end of the queue. A waiting statement holds a
	// snapshot: it keeps VACUUM from removing dead rows and makes CREATE INDEX
	// CONCURRENTLY wait. Default 5 s, at most 20 days.
	WaitSlice time.Duration

	// PingInterval is how long a connection may be silent before it is asked
	// whether it still works, and PingTimeout how long it may take to answer
	// anything. After both, its holds are lost. The sum must stay well below
	// ServerTimeout. Defaults 2 s and 3 s.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// ServerTimeout is when the server drops a client that has vanished without
	// closing its connection, and frees its locks: the TCP keepalive and
	// tcp_user_timeout that each session sets. Default 15 s. It has no effect on
	// Unix sockets, which need none, and little on servers that do not run Linux.
	ServerTimeout time.Duration

	// ConnectTimeout bounds the opening of a connection. Default: the
	// connect_timeout of the connection string, or else 10 s.
	ConnectTimeout time.Duration

	// IdleTimeout is when a connection that holds nothing is closed. Default
	// 1 min.
	IdleTimeout time.Duration

	// TokenSequence is the sequence that fencing tokens are drawn from, as
	// schema.name. All processes must use the same one. Default
	// [DefaultTokenSequence].
	TokenSequence string

	// NoCreate says that the sequence must not be created if it is missing. It
	// is missing too if the role may not create it; [TokenSQL] has the statements
	// for somebody who may. A sequence that is there is used, and set to the time,
	// see [TokenSQL], if the role may do that.
	NoCreate bool

	// RequireToken makes it an error that no token can be drawn. Without it the
	// holds have the token 0.
	RequireToken bool

	// AllowPooler allows a proxy such as PgBouncer between this process and the
	// server. It must pool sessions: behind a proxy that pools transactions or
	// statements, several clients share one session, and locks exclude nobody.
	AllowPooler bool
}

// The defaults of Options.
const (
	defaultMaxHolds        = 2048
	defaultHoldsPerSession = 512
	defaultMaxWaiters      = 8
	defaultWaitSlice       = 5 * time.Second
	defaultPingInterval    = 2 * time.Second
	defaultPingTimeout     = 3 * time.Second
	defaultServerTimeout   = 15 * time.Second
	defaultConnectTimeout  = 10 * time.Second
	defaultIdleTimeout     = time.Minute
)

// longestWaitSlice, and the eighth more that a slice may be, is within maxTimeout.
const longestWaitSlice = 20 * 24 * time.Hour

// withDefaults returns a copy that is complete, or an error that matches
// core.ErrInvalid.
func (o *Options) withDefaults(connectTimeout time.Duration) (*Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	setDefault(&c.Namespace, DefaultNamespace)
	setDefault(&c.Owner, core.ThisProcess())
	setDefault(&c.MaxHolds, defaultMaxHolds)
	setDefault(&c.HoldsPerSession, defaultHoldsPerSession)
	setDefault(&c.MaxWaiters, defaultMaxWaiters)
	setDefault(&c.WaitSlice, defaultWaitSlice)
	setDefault(&c.PingInterval, defaultPingInterval)
	setDefault(&c.PingTimeout, defaultPingTimeout)
	setDefault(&c.ServerTimeout, defaultServerTimeout)
	setDefault(&c.ConnectTimeout, connectTimeout)
	setDefault(&c.ConnectTimeout, defaultConnectTimeout)
	setDefault(&c.IdleTimeout, defaultIdleTimeout)
	setDefault(&c.TokenSequence, DefaultTokenSequence)
	return &c, c.validate()
}

func (o *Options) validate() error {
	schema, name, qualified := strings.Cut(o.TokenSequence, ".")
	switch {
	case strings.Contains(o.Namespace, "\x00"):
		return invalid("the namespace contains a zero byte")
	case o.Keys < Hashed || o.Keys > Raw:
		return invalid("there is no key scheme %d", o.Keys)
	case o.MaxHolds < 1 || o.HoldsPerSession < 1:
		return invalid("at most %d holds, %d on a connection; both must be at least 1", o.MaxHolds, o.HoldsPerSession)
	case o.MaxWaiters < 0:
		return invalid("at most %d waiters; that must not be negative", o.MaxWaiters)
	case o.WaitSlice < time.Millisecond || o.WaitSlice > longestWaitSlice:
		return invalid("a wait slice of %v; it must be from 1ms to %v", o.WaitSlice, longestWaitSlice)
	case o.PingInterval < time.Millisecond || o.PingTimeout < time.Millisecond:
		return invalid("pings every %v, answered within %v; both must be at least 1ms", o.PingInterval, o.PingTimeout)
	case o.ServerTimeout < 2*time.Second || o.ServerTimeout > time.Hour:
		return invalid("a server timeout of %v; it must be from 2s to 1h", o.ServerTimeout)
	case o.PingInterval > o.ServerTimeout || o.PingTimeout > o.ServerTimeout || o.PingInterval+o.PingTimeout > o.ServerTimeout*2/3:
		return invalid("a connection is given up after %v and the server keeps its locks for %v; "+
			"the former must be at most two thirds of the latter, so that a holder stops before another can begin",
			o.PingInterval+o.PingTimeout, o.ServerTimeout)
	case o.ConnectTimeout < 0 || o.IdleTimeout < 0:
		return invalid("a timeout is negative")
	case !qualified || schema == "" || name == "" || strings.ContainsAny(o.TokenSequence, "\x00\""):
		return invalid("the token sequence %q must be named as schema.name, without quotes", o.TokenSequence)
	}
	return nil
}

// setDefault sets *v if it is the zero value.
func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", core.ErrInvalid, fmt.Sprintf(format, args...))
}
