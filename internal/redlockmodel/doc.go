// Package redlockmodel searches every behaviour of a small instance of the
// RedLock protocol that the redis package speaks: two clients, three servers, one
// or two acquires each. It is exhaustive where tests can only be lucky.
//
// A state holds what each server has stored, what each client believes, and
// which messages are under way. In every state every message may arrive next,
// or the clock may tick. A message that never arrives is a lost one, one that
// arrives after its sender has given up is a late one, and a client that takes
// no step is one that has crashed or is paused; so none of these need a rule of
// their own. A server may restart empty. Replies may be lost.
//
// [Rules] are the rules of the protocol. With all of them the search finds no
// violation; without any one of them it finds one, and shows the way to it. The
// test does both, so a rule is here because the protocol needs it.
//
// Where the package keeps each rule:
//
//	Majority            RedLock.quorum, ballot.count
//	OfAll               renewal.decided
//	GiveBack            ballot.finish, ballot.granted, peer.takeBack
//	EveryRequest        requests
//	TokenCheck          the release, cancel and extend scripts
//	FreshToken          election.attempt
//	Guard, GuardRefill  redlock_guard.lua, in every script that asks for a vote
//	RefillCheck         union.refill, which asks like anybody else
//	FromBefore          ballot.claim, vote.from
//	ExtendedFromBefore  vote.renewed
//	Margin              union.watch, and the lease clock of core/driver
//	WriteBack           union.settle
//
// A waiter that is promoted in a server's queue is an acquire that arrives late.
// What one acquire of a process passes on to another is one client here.
//
// What is left out: the queue of the arbiter and its messages, which only decide
// who asks next, and real time, which is ticks: a lease is two of them.
package redlockmodel
