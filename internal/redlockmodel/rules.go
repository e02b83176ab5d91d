package redlockmodel

// Rules are those of the protocol. The zero value is a protocol with none of
// them; see [All].
type Rules struct {
	// Majority: a lock is held with the votes of more than half of all servers.
	// Without it, one vote is enough.
	Majority bool

	// OfAll: an extension needs a majority of all servers. Without it, half of
	// those that gave their vote is enough, rounded up.
	OfAll bool

	// GiveBack: a client that gives up, or whose hold has ended, takes back
	// whatever it may have got, whether or not it knows of it.
	GiveBack bool

	// EveryRequest: what takes an attempt back does so until each request for it is
	// over. Without it, until the first one is, though a server may have been asked
	// twice.
	EveryRequest bool

	// TokenCheck: a release deletes only what it was meant for.
	TokenCheck bool

	// FreshToken: after a release was sent, the next attempt has another token,
	// so a late release cannot take the new vote.
	FreshToken bool

	// Guard: a server that restarts empty does not vote until every lease that it
	// may have forgotten has ended.
	Guard bool

	// GuardRefill: nor does it give a vote again that a holder misses.
	GuardRefill bool

	// RefillCheck: an extension takes a vote that the holder misses only if nobody
	// else has it.
	RefillCheck bool

	// FromBefore: the validity counts from before the request was sent. Without
	// it, from when the votes were counted.
	FromBefore bool

	// ExtendedFromBefore: the same of an extension.
	ExtendedFromBefore bool

	// Margin: a client takes a lease to end a tick before the server does. It is
	// needed if its clock may be slow by a tick; see [Model.Drift].
	Margin bool

	// WriteBack: a fencing token on which a majority does not agree is written to
	// a majority before it is used. Without it, the greatest that was answered is
	// used as it is.
	WriteBack bool
}

// All returns the protocol as it is.
func All() Rules {
	return Rules{
		Majority: true, OfAll: true, GiveBack: true, EveryRequest: true, TokenCheck: true, FreshToken: true, Guard: true,
		GuardRefill: true, RefillCheck: true,
		FromBefore: true, ExtendedFromBefore: true, Margin: true,
		WriteBack: true,
	}
}

// A Model is an instance of the protocol to search.
type Model struct {
	Rules Rules

	Acquires [clients]int // of each client, 1 or 2
	Lease    int          // ticks, up to 3
	Extends  bool         // each hold may be extended once, and votes that are missing asked for again
	Repeats  bool         // one server may be asked twice for the vote of an attempt
	Restarts int          // of servers, in all, up to 3
	Drift    bool         // a client's clock may miss one tick of each validity
	Tokens   bool         // model the register of fencing tokens
}
