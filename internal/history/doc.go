// Package history records what the users of a lock saw, and checks whether any
// lock that keeps its promises could have let them see it.
//
// A history is a list of operations ([Op]) with the times at which they were
// called and returned. It is legal if every operation can be given one instant
// between its call and its return such that the sequence obeys the rules of the
// object: one holder, readers or one writer, at most so many permits, tokens that
// grow. The search for such instants is [porcupine]'s; this package has the
// rules, says what an operation of unknown outcome may have done, and cuts long
// histories where that is safe, so that a million operations take seconds.
//
// # Recording
//
// A [Recorder] is a file of fixed-size records that is mapped into memory, so
// nothing is lost when its process is killed. Each process makes one; all its
// goroutines share it, each under its own seat number:
//
//	rec, err := history.Create(path, 1<<20)
//	...
//	ticket := rec.Begin(history.Op{Object: 3, Seat: seat, Action: history.Acquire})
//	h, err := lock.Acquire(ctx)
//	rec.End(ticket, history.OutcomeOf(err), token) // token: h.Token(), or 0
//	...
//	ticket = rec.Begin(history.Op{Object: 3, Seat: seat, Action: history.Release})
//	rec.End(ticket, history.OutcomeOf(h.Release(ctx)), 0)
//	...
//	rec.Close() // only when the process ends by itself
//
// A seat holds an object at most once at a time. When it learns of a loss, by
// Done or by Err, it says so at once, with the last time at which it knew better:
//
//	rec.Note(history.Op{Object: 3, Seat: seat, Action: history.Lost, Call: since})
//
// where since is, for a hold on a lease, the time at which Done was closed: the
// promise is that nobody else was granted the lock before. For a process that was
// stopped it is the time of the stop, and for a session that the server ended it
// is the time at which it was killed, since neither is promised to know earlier.
//
// Whoever kills a process calls [MarkKilled] just before. When all is over,
// [Read] merges the files: an operation that was under way becomes one of unknown
// outcome, and what a killed process held becomes free at some time after.
//
//	ops, err := history.Read(paths...)
//	for n, ops := range history.ByObject(ops) {
//		err := history.Check(objects[n], ops, time.Minute)
//		...
//	}
//
// A test says the same by history.Require(t, objects[n], ops), which keeps a
// picture of the violation among the test's artifacts.
//
// [porcupine]: https://github.com/anishathalye/porcupine
package history
