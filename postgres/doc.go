// Package postgres provides locks, reader-writer locks and semaphores that
// processes share through a PostgreSQL database, by its advisory locks. It needs
// no table, and PostgreSQL 13 or later.
//
//	p, err := postgres.Open(ctx, "postgres://app@db/app", nil)
//	if err != nil {
//		return err
//	}
//	defer p.Close()
//	err = core.Do(ctx, p.NewLock("invoice:42"), func(ctx context.Context) error {
//		...
//	})
//
// Locks are those of one database: the same name in two databases of a server is two
// locks, and so it is in two namespaces (Options.Namespace). All that are to exclude
// one another must connect to the same database.
//
// # What a hold rests on
//
// A hold is an advisory lock of a session, which is one connection and the server
// process behind it. It lasts until it is released or the session ends: there is
// no lease that could run out during a pause of the process. The provider opens
// its own connections, and never takes one of the application's pool. A connection
// carries up to 512 holds, and the operations of concurrent callers travel as one
// statement, so an acquire and a release are one round trip each, or less.
//
// When a session ends, all of its holds are lost together, and that is told at
// once. When the network is cut without a word, the client gives up after 5 s
// (Options.PingInterval and PingTimeout), and the server frees the locks no earlier
// than that: after 15 s (Options.ServerTimeout), or at once if it saw the
// connection close. What no timeout can exclude, such as a virtual machine that
// stands still, a fencing token does: see core.Handle.Token.
//
// # Waiting
//
// Who finds a lock held waits in the server's own queue, is woken by the release,
// and is served in order of arrival. Each process has one place in the queue of a
// name, so that processes take turns; within the process its callers stand in
// line. A waiting writer keeps later readers out.
//
// # Costs
//
// An acquire and a release that meet nobody are one round trip each, and those of
// callers at the same time share statements and round trips. A hold takes an entry
// of the server's lock table, and a part of a connection: one carries 512
// (Options.HoldsPerSession). Waiting takes a connection for each contended name, 8 at
// most (Options.MaxWaiters). A provider that holds nothing and waits for nothing has
// no connections after a minute (Options.IdleTimeout).
//
// # Deadlocks
//
// The server's detector knows sessions, and a session here acts for many holders:
// two programs that wait for each other's locks wait until a context ends. Take
// several locks by core.AcquireAll, which has one order for all.
//
// # Poolers and standbys
//
// Behind a pooler of transactions, such as PgBouncer in that mode, session locks
// exclude nobody. Such connections are refused ([ErrPooler]), and so are standbys
// ([ErrStandby]). [AcquireTx] takes a lock for the rest of a transaction, which
// works behind any pooler.
package postgres
