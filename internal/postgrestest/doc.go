//go:build unix

// Package postgrestest has the tests of package postgres that need a server of
// their own: to stop, kill, pause and restart it, to cut the network before it,
// or to count what goes there. The others are in the package itself.
//
// # Scenarios of madelson/DistributedLock
//
// What that library's suite has for PostgreSQL, numbered as other comments refer to
// it, and the test that has it here; "p." is package postgres.
//
//	F55  connections do not leak            server, at the end of every test; TestIdleSessionsAreClosed
//	F56  a killer of idle sessions          TestIdleSessionTimeout
//	F59  a release after a kill is an error TestTerminatedSession
//	F60  0 and the pair 0,0 are two locks   p.TestKeySpacesAreDifferent
//	F61  lock_timeout is not left behind    p.TestTxRestoresSettings
//	F62  a transaction is usable after a timeout or a cancel    p.TestTxRestoresSettings
//	F63  locks of a transaction end with it p.TestTxTakesSeveral, p.TestTxReadersAndWriters
//	F64  settings shown as 30s, 1min, 1d    p.TestTxRestoresSettings
//	F65  several locks in one transaction   p.TestTxTakesSeveral
//	F69  two that cross two locks, 40P01    p.TestTxDeadlock, for transactions; for sessions see below
//	F71  many names over one connection     TestManyHolds, and the benchmark of throughput
//	F72  a killed session among others      TestOneSessionOfSeveralIsLost
//	F75  short lock_timeouts never leak     TestStorm
//	F77  names and keys, with all vectors   p.TestMedallionKeys and its neighbours
//
// The others have no object here:
//
//   - F57 and F58, a keepalive of 1 ms over 25 cycles, and the lost signal touched
//     while the keepalive sleeps: there is no monitoring statement that others must
//     interrupt. One reader receives at all times, and a ping is a Sync among the
//     batches.
//   - F66 and F67, external connections and transactions that are closed, rolled back
//     or disposed of around a lock: session locks are taken on sessions of the
//     provider's own only. A lock of the caller's transaction has no release; it ends
//     with the transaction (F63).
//   - F68 and F69 for sessions, deadlock errors for two acquires on one connection, and
//     for two connections that cross two locks: the line in the process keeps the
//     former from the server, and each wait has a session of its own, so the server
//     sees no cycle in the latter. Both wait until a context ends, as the package's
//     documentation says; AcquireAll is how to take several locks.
//   - F70, a monitoring hook that is unsubscribed after the release: Done is a channel of
//     the hold, and nothing is subscribed to a connection. That no goroutine is left
//     is checked at the end of every test.
//   - F73, the cleanup of abandoned handles within twice the cadence: a handle that
//     becomes garbage is released by its cleanup, for all backends (core/driver).
//   - F74, an isolation level that is not left behind: a transaction is always the
//     caller's, and no statement of this library sets its level.
//   - F76, a provider's options that exclude each other, transactions and multiplexing:
//     there is no such choice. What can be wrong with options is in
//     p.TestOptionsAreChecked.
package postgrestest
