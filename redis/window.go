package redis

import "time"

// A window says how many pipelines may be out to one server at a time, besides
// those that are sent apart.
//
// A pipeline that gets no answer in time costs its connection, and so the next one
// a new connection, with a handshake. Where the server, the network or this machine
// has more to do than it can, nothing is answered in time any more, and if as many
// pipelines as before were sent then, new connections alone would keep it so, also
// when the reason is gone. So the window is halved when pipelines are lost, at most once
// in the time that one of them takes, and grows by one with each that is answered,
// in the way of TCP (RFC 5681, section 3.1).
//
// Callers lose nothing by it: what waits travels in the next pipeline, all of it
// together, and is given up at the same time as before.
type window struct {
	size   int
	halved time.Time
}

// answered takes in that a pipeline was answered.
func (w *window) answered() { w.size = min(w.size+1, mostFlights) }

// lost takes in that nothing in a pipeline that was sent at that time was answered.
// Those that were out together with one that was lost already tell nothing new.
func (w *window) lost(sent time.Time) {
	if sent.After(w.halved) {
		w.size = max(1, w.size/2)
		w.halved = time.Now()
	}
}

// A flight is one pipeline that is out.
type flight struct {
	since time.Time
	hung  bool // and given up: it is not counted
}

// depart notes that a flight begins. Its caller holds n.mu.
func (n *node) depart() *flight {
	f := &flight{since: time.Now()}
	n.out[f] = struct{}{}
	return f
}

// land notes that a flight is back; one that was given up counts again until its
// goroutine has decided what to do next. Its caller holds n.mu.
func (n *node) land(f *flight) {
	delete(n.out, f)
	if f.hung {
		n.flights++
	}
}

// giveUpHung gives up the flights that are out for more than twice the timeout, which
// happens with a client that has no time limits, on connections of which nothing is
// left at the other end: they may come back in hours, and no other ones would be sent
// until then. Its caller holds n.mu.
func (n *node) giveUpHung() {
	for f := range n.out {
		if !f.hung && time.Since(f.since) > 2*n.timeout {
			f.hung = true
			n.flights--
			n.window.lost(f.since)
		}
	}
}
