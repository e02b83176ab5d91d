package redis

// Waiters of one object may stand in the queues of two servers: some came while the
// first of them was down, or slow, and the others when it was back. Both servers then
// tell somebody that it is its turn, and each of the two keeps its vote from the
// other; whoever gives up lets the next one of the same queue take its place. So the
// later server's waiters give way, all of a process at a time, and go to where those
// who come now wait.

// home returns the server at which this one should wait rather than where its turn
// has come: one that comes first, votes, and has refused, because there it is somebody
// else's turn. -1: there is none.
func (n *election) home(b *ballot) int {
	first := n.e.l.arbiter()
	if n.w == nil || first >= n.place || !n.e.l.peers[first].votes() || !b.refusedBy(first) {
		return -1
	}
	return first
}

// gohome leaves the place for another one, and has those who wait beside it see
// whether they should.
func (n *election) gohome(to int) {
	n.e.l.peers[n.place].p.lines.nudge(n.w)
	n.abandon()
	n.place = to
}

// misplaced reports whether a server that comes first votes again.
func (n *election) misplaced() bool {
	first := n.e.l.arbiter()
	return first < n.place && n.e.l.peers[first].votes()
}

// nudge has all who wait for the same as w look where they stand.
func (l *lines) nudge(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.line == nil {
		return
	}
	for _, other := range w.line.waiters {
		if other == w {
			continue
		}
		select {
		case other.astray <- struct{}{}:
		default:
		}
	}
}

// refusedBy reports whether a server has refused its vote.
func (b *ballot) refusedBy(i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.votes[i].state == refused
}
