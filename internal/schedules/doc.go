// Package schedules runs the real engine of the library under faults that a seed
// decides, in virtual time, and judges what its users saw.
//
// A schedule has a few nodes, each an engine (core/driver) or a provider
// (core/memory) of its own, with a few seats each that acquire, hold, write to a
// guarded resource and release, for random times, with contexts that end at
// random moments. Between the nodes and the one server is a network that loses
// requests and replies, delays them past any timeout, lets them overtake each
// other and delivers them twice. Meanwhile a director cuts nodes off, ends them
// without notice, restarts the server with its data and without, and sets its
// clock back; and the server's clock goes a little faster or slower than theirs.
//
// Redis and RedLock are the library's own clients, whose scripts the servers of package
// simredis run. Of several servers some are cut off, down, restarted or set back at a
// time, each with a clock of its own.
//
// What the seats saw must be a legal history of the object and of the resource
// (internal/history). Besides, a call must return when its context ends, Close
// must be bounded, nothing may stay behind on the server once the network is
// well, and a waiter must be served although nobody tells it.
//
// A seed fixes the faults and the times; which of two goroutines runs first at
// one instant is left to the Go scheduler, so a seed that fails may need several
// runs to fail again.
package schedules
