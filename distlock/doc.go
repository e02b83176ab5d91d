// Package distlock is the whole library under one import: the locks of package
// core, the backends, and [Open], which chooses one by a URL.
//
//	p, err := distlock.Open(ctx, os.Getenv("DISTLOCK_URL"))
//	if err != nil {
//		return err
//	}
//	defer p.Close()
//	err = distlock.Do(ctx, p.NewLock("invoice:42"), func(ctx context.Context) error {
//		return pay(ctx, 42)
//	})
//
// What a hold is worth, how waiting works and what the errors mean is told by
// package [github.com/distlock/distlock-go/core]; every name here that core has
// too is the same thing. A program that needs only one backend can import that
// alone, and gets its driver and no other.
//
// # URLs
//
// The scheme names the backend, and each query parameter one of its Options. A
// scheme or a parameter that is not listed here is an error, as is a value of
// another type. Characters with a meaning in URLs are escaped, as in a password:
// %40 for "@", %2F for "/", %3F for "?", %23 for "#".
//
//	file:///directory    files in a directory of this machine, made if it is
//	file:directory       missing; the second form is relative
//	postgres://user:password@host/database
//	                     advisory locks of a PostgreSQL database; several hosts,
//	                     Unix sockets and all parameters of libpq are understood
//	redis://user:password@host:port/0
//	                     a Redis or Valkey server; rediss: over TLS, unix: over a
//	                     socket
//	redis://a,b,c/?mode=cluster
//	redis://a,b,c/?mode=sentinel&master=NAME
//	                     a cluster by some of its nodes; a master by its sentinels
//	redis://a,b,c/?mode=redlock
//	                     a majority of servers that know nothing of each other
//	mem:                 the memory of this process: each Open is a world of its
//	                     own, for tests and examples
//
// Parameters of file: URLs, and the fields of [FileOptions] that they set:
//
//	mode            octal     Mode, such as 0660 for a directory shared by a group
//	polling         bool      Polling: true for file systems that do not tell of changes
//	poll_interval   duration  PollInterval
//	check_interval  duration  CheckInterval
//	idle_files      number    IdleFiles
//	handoff_count   number    LocalHandoff.Count
//	handoff_for     duration  LocalHandoff.For
//
// Parameters of postgres: URLs, and the fields of [PostgresOptions] that they
// set; any other one is a parameter of the connection:
//
//	namespace          text      Namespace
//	keys               text      Keys: hashed, medallion or raw
//	max_holds          number    MaxHolds
//	holds_per_session  number    HoldsPerSession
//	max_waiters        number    MaxWaiters
//	wait_slice         duration  WaitSlice
//	ping_interval      duration  PingInterval
//	ping_timeout       duration  PingTimeout
//	server_timeout     duration  ServerTimeout
//	idle_timeout       duration  IdleTimeout
//	token_sequence     text      TokenSequence
//	no_create          bool      NoCreate
//	require_token      bool      RequireToken
//	allow_pooler       bool      AllowPooler
//
// Parameters of redis: URLs are those of [redis.Open]. With mode=redlock they are
// prefix, lease, max_hold, claim, wait_lease, token_retention and timeout, for the
// fields of [RedisOptions]; user, password and database are those of each server.
//
// Parameters of mem: URLs, and the fields of [MemoryOptions] that they set:
//
//	lease           duration  Lease
//
// Durations are written as in Go (500ms, 30s, 1m30s), a bool is true or false.
package distlock
