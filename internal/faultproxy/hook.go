package faultproxy

import (
	"bytes"
	"sync/atomic"
)

// Event is a chunk about to be forwarded.
type Event struct {
	Conn      int       // connections are numbered from 1
	Direction Direction // the way it goes
	N         int       // the chunk's number on its connection and way, from 1
	Data      []byte    // valid until the hook returns

	// Closed is closed when the proxy or the connection is, for hooks that wait.
	Closed <-chan struct{}
}

// Action is what becomes of a chunk.
type Action int

const (
	Forward Action = iota // deliver it

	// Cut loses the chunk and resets the connection: the other side never
	// sees it.
	Cut

	// ForwardThenCut delivers the chunk and ends the connection: whoever sent
	// it sees a reset, the other side gets the chunk and then the end of the
	// stream. A request is carried out and nobody hears the answer.
	ForwardThenCut

	// Mute loses the chunk and all that follows on its way. The connection
	// stays open until a side closes it.
	Mute
)

// Hook decides about a chunk. Hooks of different connections and ways run at
// the same time; one that blocks holds up only its own way of its own
// connection, which is how a test keeps a reply back until it says so.
type Hook func(Event) Action

// OnRequest applies the action once, to the first chunk from a client that
// contains text.
func OnRequest(text string, action Action) Hook {
	return once(Up, text, action)
}

// OnReply applies the action once, to the first chunk from the server that
// contains text; the empty text is any reply. OnReply("", Mute) loses the next
// reply.
func OnReply(text string, action Action) Hook {
	return once(Down, text, action)
}

// OnNthRequest applies the action to the n-th chunk from a client, counted from
// 1 over all connections since the hook was made.
func OnNthRequest(n int64, action Action) Hook {
	var seen atomic.Int64
	return func(e Event) Action {
		if e.Direction == Up && seen.Add(1) == n {
			return action
		}
		return Forward
	}
}

func once(way Direction, text string, action Action) Hook {
	var done atomic.Bool
	return func(e Event) Action {
		if e.Direction == way && bytes.Contains(e.Data, []byte(text)) && done.CompareAndSwap(false, true) {
			return action
		}
		return Forward
	}
}
