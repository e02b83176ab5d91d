// Package file keeps locks in the files of one directory: for processes of one
// machine, with no server.
//
//	p, err := file.New("/var/lock/billing", nil)
//	if err != nil {
//		return err
//	}
//	defer p.Close()
//	err = core.Do(ctx, p.NewLock("invoice:42"), work)
//
// # What a hold is worth
//
// A lock is that of the kernel, flock(2) or LockFileEx, on an open file. It ends
// with its holder, also when that is killed, and at once: there is no lease, and a
// holder that is stopped for an hour still holds the lock when it goes on.
//
// A hold is lost if its file is removed, renamed or replaced while it is held,
// because whoever comes next locks another file. [core.Handle.Err] knows that at
// once, Done as soon as the system tells (in less than 1 ms, on Linux), and
// after [Options.CheckInterval] if a directory above was renamed. For as long the
// old file may still be locked, while others lock the new one. On Windows no open
// file or directory above it can be removed or renamed; a junction on the path that
// is switched meanwhile is not noticed.
//
// Tokens are kept in the files. They grow also over a crash, a power failure, and
// over the removal of a file, or of all of them unless the clock is set back too.
// On Linux, macOS and the BSDs, on a file system that several machines share, each
// token comes from one file of the directory, which every acquire there locks for a
// moment; the clocks of the machines should agree.
//
// # Waiting
//
// A waiter sleeps until the system tells of an unlock: by inotify on Linux, by
// kqueue on macOS and the BSDs. On Linux the first few of a process who are next at
// their locks sleep at a futex, which is quicker. On Windows, and on file systems
// that several machines share, a waiter polls. Whoever waits first within a process
// is served first. Between processes nobody is passed by one who comes later than
// the process that is next, so nobody starves; those behind it have no order.
//
// So a waiting writer keeps later readers of other processes out once it is next. If
// a reader of another process was next and gets in, more may follow it until the
// writer has looked again: where waiters poll, up to [Options.PollInterval].
//
// # Files
//
// Files are made when they are needed, with a readable name, and stay: see
// [Provider.GC]. They belong to the user alone unless [Options.Mode] says
// otherwise. Symbolic links are not followed. A directory that is writable for all
// is refused unless it has the sticky bit.
//
// A program that does not use this library can take part: flock(1) on the file of
// a lock excludes its holders, though it draws no token and waits for no turn.
package file
