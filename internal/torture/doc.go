// Package torture has the processes of a program fight for locks, reader-writer
// locks and semaphores of one backend, through the library as it is, while a
// director kills and stops them, and kills, stops and cuts off their servers.
//
// The judge (package judge) sits in memory that all processes share and not in the
// lock server. Half of those killed and stopped are inside. It is asked at each
// critical section:
//
//   - whether two were inside whose handles both said that they hold. Where a loss
//     comes from the server's side, the news takes time: then a handle has
//     [Config.Bound] to say so. Where it comes from a lease, it has none.
//   - whether a token was smaller than one before, and whether the resource took
//     a late write although a later holder had written.
//   - whether a process that slept for longer than its lease was told by its handle
//     on waking, and how soon.
//   - whether an acquire failed, or waited for ever, without any trouble to blame.
//
// After the torment there is a calm in which everybody must get in; then everybody
// leaves, and what is left behind on the servers and in the processes is counted.
// The histories that the processes have recorded are checked.
//
// What cannot be done to them: the wall clock of a Go program is read without the C
// library, so only those of servers are set (package clockshift), and what a client
// makes of its own clock is for the tests of core/driver.
package torture
