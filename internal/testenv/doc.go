//go:build unix

// Package testenv starts the real servers that the tests need: PostgreSQL,
// PgBouncer, and Redis or Valkey alone, as a cluster, under Sentinel, or as
// several independent nodes.
//
// Two kinds of tests use it.
//
// Tests of a published module must not import it, since nobody who downloads
// that module has it. They read the variables in vars.go and skip, by name, if
// theirs is unset; [RequireServers] turns such a skip into a failure.
// The command cmd/testenv starts what the modules in go.work need, sets the
// variables, runs a command, and stops the servers, whatever happens to it:
//
//	go run ./internal/testenv/cmd/testenv -- go test work
//
// Tests in internal do import it, and get servers of their own that they may
// stop, kill, pause and restart:
//
//	pg := testenv.NewPostgres(t, testenv.PostgresConfig{})
//	conn, err := pgx.Connect(ctx, pg.URL())
//	pg.Kill() // as kill -9 does it: no goodbye to anybody
//	pg.Start(ctx) // on the same port, with the same data
//
// Each server lives in a directory of its own under the temporary directory, on
// a free port of 127.0.0.1, and runs as an unprivileged user if the test runs as
// root. It is gone when the test ends. On Linux it is gone, too, when the test's
// process dies in whatever way.
//
// # Where the programs come from
//
// In this order: a container image that a variable names, DISTLOCK_REDIS_IMAGE
// for one; a directory that a variable names, DISTLOCK_PG_BIN for one; PATH and
// the usual places; containers, if a Docker daemon answers; Debian's packages, if
// this process is root and there is apt-get and DISTLOCK_TEST_INSTALL is not 0.
// Otherwise the error says what to install.
package testenv
