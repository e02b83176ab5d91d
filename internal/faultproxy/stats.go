package faultproxy

// Stats counts what went through the proxy since it started.
type Stats struct {
	Connections int // accepted
	Turns       int // see [Proxy.Turns]
	Chunks      [2]int
	Bytes       [2]int
}

// Stats returns the counts until now, of all connections together. Chunks and
// Bytes are indexed by [Direction] and count what was read, also if a hook lost
// it.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Turns returns how many times a client took the word: sent something after the
// server had last spoken, or first of all. For a client that waits for its
// answer this is the number of round trips; requests sent in one go, before the
// proxy has seen any answer, are one turn. A turn counts when its request
// passes, so it is in when the client has the answer.
func (p *Proxy) Turns() int { return p.Stats().Turns }

// count records a chunk that was read from c and returns the hook to ask.
func (p *Proxy) count(c *conn, d Direction, size int) Hook {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d == Up && !c.clientHasWord {
		p.stats.Turns++
	}
	c.clientHasWord = d == Up
	p.stats.Chunks[d]++
	p.stats.Bytes[d] += size
	return p.hook
}
