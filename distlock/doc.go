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
// Parameters of mem: URLs, and the fields of [MemoryOptions] that they set:
//
//	lease           duration  Lease
//
// Durations are written as in Go (500ms, 30s, 1m30s), a bool is true or false.
package distlock
