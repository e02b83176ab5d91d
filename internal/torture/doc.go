// Package torture has the processes of a program fight for locks, reader-writer
// locks and semaphores of one backend, through the library as it is, while a
// director kills and stops them, and kills, stops and cuts off their servers.
//
// The judge (package judge) sits in memory that all processes share and not in the
// lock server. It is asked at each critical section:
//
//   - whether two were inside whose handles both said that they hold. Where a loss
//     comes from the server's side, the news takes time: then a handle has
//     [Config.Bound] to say so. Where it comes from a lease, it has none.
//   - whether a token was smaller than one before.
//   - whether a process that slept for longer than its lease was told by its handle
//     on waking.
//   - whether an acquire failed, or waited for ever, without any trouble to blame.
//
// After the torment there is a calm in which everybody must get in; then everybody
// leaves, and what is left behind on the servers is counted.
package torture
