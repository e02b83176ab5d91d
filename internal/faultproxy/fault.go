package faultproxy

import "time"

// SetDelay holds every chunk that goes d's way back for the given time. Chunks
// overtake nothing and travel together, as in a long cable: the delay costs a
// pipelined conversation once, not once for each chunk.
func (p *Proxy) SetDelay(d Direction, by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay[d] = by
}

// SetRoundTrip spreads a round-trip time evenly over both ways.
func (p *Proxy) SetRoundTrip(rtt time.Duration) {
	p.SetDelay(Up, rtt/2)
	p.SetDelay(Down, rtt-rtt/2)
}

// Stall stops one way: its bytes are kept, not lost, and delivered after
// [Proxy.Resume]. With both ways stalled the network is a black hole that may
// heal: connections stay open, nobody gets an error, nothing is heard.
// New connections are still accepted, as the kernel does it for the proxy.
func (p *Proxy) Stall(d Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled[d] == nil {
		p.stalled[d] = make(chan struct{})
	}
}

// Resume ends a stall.
func (p *Proxy) Resume(d Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled[d] != nil {
		close(p.stalled[d])
		p.stalled[d] = nil
	}
}

// BlackHole stalls both ways; [Proxy.Heal] ends it.
func (p *Proxy) BlackHole() {
	p.Stall(Up)
	p.Stall(Down)
}

// CutAfter lets n more bytes go one way, over all connections, and then ends each
// connection at its next one: the other side gets a part of a message, or none of
// it. A negative n lets everything pass again.
func (p *Proxy) CutAfter(d Direction, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limited[d], p.left[d] = n >= 0, n
}

// room returns how many of the bytes may go that way, and counts them.
func (p *Proxy) room(d Direction, size int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.limited[d] {
		return size
	}
	size = min(size, p.left[d])
	p.left[d] -= size
	return size
}

// Heal takes every fault back: stalls, delays, refusal, limit and hook. What was lost
// stays lost.
func (p *Proxy) Heal() {
	p.Resume(Up)
	p.Resume(Down)
	p.SetRoundTrip(0)
	p.Refuse(false)
	p.CutAfter(Up, -1)
	p.CutAfter(Down, -1)
	p.SetHook(nil)
}

// Cut resets every open connection, on both sides.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.cut()
	}
}

// Refuse makes the proxy reset new connections at once, or take them again.
// Open ones are left alone.
func (p *Proxy) Refuse(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// SetHook has hook decide about every chunk from now on; nil forwards them all.
func (p *Proxy) SetHook(hook Hook) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = hook
}

// delayOf returns the delay of one way now.
func (p *Proxy) delayOf(d Direction) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delay[d]
}

// stallOf returns a channel that is closed when the way's stall ends, or nil if
// it is not stalled.
func (p *Proxy) stallOf(d Direction) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stalled[d]
}
