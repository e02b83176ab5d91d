//go:build unix

package testenv

// The variables that tell the tests of the published modules where the servers
// are. A variable that is set already when cmd/testenv starts is taken as it is,
// and nothing is started for it.
const (
	// PostgresVar is the URL of a PostgreSQL server whose user may create
	// schemas, sequences and roles and terminate backends.
	PostgresVar = "DISTLOCK_TEST_POSTGRES"

	// PgBouncerSessionVar and PgBouncerTransactionVar are URLs of a PgBouncer in
	// front of the same server, in session and in transaction pooling mode.
	PgBouncerSessionVar     = "DISTLOCK_TEST_PGBOUNCER_SESSION"
	PgBouncerTransactionVar = "DISTLOCK_TEST_PGBOUNCER_TRANSACTION"

	// RedisVar is the redis:// URL of one Redis or Valkey server. Tests may
	// flush it and run DEBUG commands.
	RedisVar = "DISTLOCK_TEST_REDIS"

	// RedisClusterVar lists the masters of a Redis Cluster: host:port,host:port.
	RedisClusterVar = "DISTLOCK_TEST_REDIS_CLUSTER"

	// RedisSentinelVar is the name of a primary with one replica and the
	// sentinels that watch it: name@host:port,host:port.
	RedisSentinelVar = "DISTLOCK_TEST_REDIS_SENTINEL"

	// RedisNodesVar lists five servers that know nothing of each other:
	// host:port,host:port.
	RedisNodesVar = "DISTLOCK_TEST_REDIS_NODES"

	// RequireServers, set to 1, has tests fail where they would skip because a
	// variable above is unset. cmd/testenv always sets it.
	RequireServers = "DISTLOCK_REQUIRE_SERVERS"
)

// The variables that tell this package where to look, and what it may do.
const (
	// PostgresBinVar, RedisBinVar, ValkeyBinVar and PgBouncerBinVar are
	// directories with the programs to use instead of those in PATH.
	PostgresBinVar  = "DISTLOCK_PG_BIN"
	RedisBinVar     = "DISTLOCK_REDIS_BIN"
	ValkeyBinVar    = "DISTLOCK_VALKEY_BIN"
	PgBouncerBinVar = "DISTLOCK_PGBOUNCER_BIN"

	// PostgresImageVar, RedisImageVar, ValkeyImageVar and PgBouncerImageVar are
	// container images to use instead of any program of this machine, such as
	// postgres:14 or valkey/valkey:8.1.
	PostgresImageVar  = "DISTLOCK_PG_IMAGE"
	RedisImageVar     = "DISTLOCK_REDIS_IMAGE"
	ValkeyImageVar    = "DISTLOCK_VALKEY_IMAGE"
	PgBouncerImageVar = "DISTLOCK_PGBOUNCER_IMAGE"

	// InstallVar, set to 0, forbids the installation of Debian packages.
	InstallVar = "DISTLOCK_TEST_INSTALL"
)
