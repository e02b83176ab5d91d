// Package redis keeps locks, reader-writer locks and semaphores in Redis or
// Valkey: on one server, on a master and its replicas under Sentinel, or in a
// cluster. It needs Redis 6.0 or later.
//
//	p, err := redis.Open(ctx, "redis://localhost:6379", nil)
//	if err != nil {
//		return err
//	}
//	defer p.Close()
//	err = core.Do(ctx, p.NewLock("nightly-report"), report)
//
// # Costs
//
// An acquire and a release that meet nobody are one round trip each. A waiter
// stands in a queue at the server, in order of arrival over all processes, and
// the release that makes way for it also tells it so: a hand-over takes one
// round trip, from the release to the waiter. Nobody polls while messages arrive; each process
// with waiters speaks up once per lock and five seconds, to show that it lives.
// Calls that are made at the same time share a pipeline. A call whose context
// never ends, such as context.Background, is carried out by its caller; any other
// one by a goroutine of the provider, so that it returns as soon as its context
// ends, which on a network without latency costs about as much again.
//
// # What a hold is worth
//
// A hold rests on a lease of 15 s that is renewed every 5 s. A handle's Done
// closes before the server can give the lock to another, whatever the network
// does, as long as the clocks of client and server run at the same rate to
// within 1 %. That does not cover two things that Redis does not promise. A
// failover may promote a replica that has not heard of the lock;
// Options.ReplicaAcks makes that less likely. And Redis measures a lease by the
// server's wall clock: one that is set forward ends leases early.
//
// In both cases the fencing token tells the later holder from the earlier one,
// if what the lock guards remembers the greatest token and refuses smaller ones.
// Tokens are the server's time in microseconds, or the last token and one if
// that is greater, so they also grow when the data is lost.
//
// # Several servers
//
// A [RedLock] keeps everything on a majority of servers that know nothing of each
// other, and goes on while a minority is down. Its documentation proves why its
// holds exclude each other, tells what a restart without data would break and what
// prevents that, and what remains true of the criticism of the algorithm.
//
// # Keys
//
// A Lock is a plain string, prefix:{name}, as SET NX PX makes it, so other
// programs that lock that key so and holders of the Lock exclude each other,
// though the former do not queue. All keys of a lock have one hash tag. Those
// of a lock that is not in use expire; the server must not evict: with a
// maxmemory-policy other than noeviction it may drop locks that are held, and
// [Provider.Check] says so.
//
// # Rights
//
// [ACL] returns the rights of a user that can do all of this and nothing else.
// Without those for channels, waiters poll, and are told so by an event.
//
// # Logs
//
// This package writes none; [core.Observer] is told what one would say. The driver
// does write to the standard error when a connection fails, for all clients of a
// program alike: its SetLogger, or Disable of its package logging, is the program's
// to call.
package redis
