// Package judge decides, in memory that several processes share, whether anybody
// was misled about what it holds. It knows nothing of locks: whoever enters a
// critical section says so, and says what its handle tells it.
//
// What is judged:
//
//   - Exclusion: two who may not be inside together are never inside with handles
//     that both say that they hold.
//   - Fencing: the token of each hold is greater than any seen before.
//
// Whoever finds others inside opens a [Case] against everybody who is in. Each of
// them answers, as soon as it looks, whether its handle says that it holds. A case
// in which all say so is a violation; one that somebody was killed in stays open.
//
// The memory is a mapped file and outlives any of the processes: what one of them
// has written before it was killed is there.
package judge
