package redlockmodel

import "slices"

const (
	nodes   = 3
	clients = 2
	most    = 2 // acquires of a client
)

// A state is one of the whole system. Everything that concerns a server, also
// what clients have sent to it and heard from it, is in its node: servers are
// alike, so states that differ only in their order are one state.
type state struct {
	nodes    [nodes]node
	clients  [clients]client
	restarts uint8
	granted  uint8 // the greatest token of a hold so far
}

// A node is a server and the messages to it.
type node struct {
	owner      uint8 // 0, or of an attempt
	left       uint8 // ticks until its key expires
	quarantine uint8 // ticks in which it does not vote
	register   uint8 // the last fencing token

	// Messages under way to it.
	acquires [clients]uint8 // a bit for each attempt
	repeats  [clients]uint8 // second requests for the same attempt
	releases [clients]uint8
	extends  [clients]uint8
	raise    [clients]bool

	// What clients have heard from it, of the attempt that they are at.
	voted    [clients]bool
	value    [clients]uint8 // the token that it answered
	extended [clients]bool
	raised   [clients]bool
}

// A client is what one of them knows besides.
type client struct {
	phase   phase
	attempt uint8 // from 1
	valid   uint8 // ticks left of the hold, or of what would become one
	pending uint8 // ticks that an extension under way would give
	token   uint8 // that is being raised, or held
	missed  bool  // its clock has missed a tick
	extends bool  // it has extended
	repeats bool  // it has asked a server twice
}

type phase uint8

const (
	idle phase = iota
	asking
	raising
	holding
)

// owner returns how a server calls an attempt.
func (m *Model) owner(c int, attempt uint8) uint8 {
	if !m.Rules.FreshToken {
		attempt = 1
	}
	return uint8(c)*most + attempt
}

// canonical returns the state that stands for all that are like it.
func (s state) canonical() state {
	slices.SortFunc(s.nodes[:], compare)
	return s
}

func compare(a, b node) int {
	x, y := a.code(), b.code()
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// code packs a node into a word.
func (n *node) code() uint64 {
	var w uint64
	put := func(v uint8, bits int) { w = w<<bits | uint64(v) }
	flag := func(b bool) {
		w <<= 1
		if b {
			w |= 1
		}
	}
	put(n.owner, 3)
	put(n.left, 2)
	put(n.quarantine, 2)
	put(n.register, 4)
	for c := range clients {
		put(n.acquires[c], 2)
		put(n.repeats[c], 2)
		put(n.releases[c], 2)
		put(n.value[c], 4)
		put(n.extends[c], 2)
		flag(n.raise[c])
		flag(n.voted[c])
		flag(n.extended[c])
		flag(n.raised[c])
	}
	return w
}

// A key is a packed state.
type key [nodes + 1]uint64

// key packs a state.
func (s state) key() key {
	var k key
	for i := range s.nodes {
		k[i] = s.nodes[i].code()
	}
	w := uint64(s.restarts)<<8 | uint64(s.granted)
	for i := range s.clients {
		c := &s.clients[i]
		w = w<<2 | uint64(c.phase)
		w = w<<2 | uint64(c.attempt)
		w = w<<2 | uint64(c.valid)
		w = w<<2 | uint64(c.pending)
		w = w<<4 | uint64(c.token)
		w <<= 3
		if c.missed {
			w |= 1
		}
		if c.extends {
			w |= 2
		}
		if c.repeats {
			w |= 4
		}
	}
	k[nodes] = w
	return k
}

// votes counts the nodes of which is says so.
func (s state) votes(is func(n *node) bool) int {
	count := 0
	for i := range s.nodes {
		if is(&s.nodes[i]) {
			count++
		}
	}
	return count
}
