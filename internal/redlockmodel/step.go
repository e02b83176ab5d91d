package redlockmodel

// quorum returns the votes that a hold needs.
func (m *Model) quorum() int {
	if m.Rules.Majority {
		return nodes/2 + 1
	}
	return 1
}

// term returns for how long a client takes a lease to last.
func (m *Model) term() uint8 {
	if m.Drift && m.Rules.Margin {
		return uint8(m.Lease) - 1
	}
	return uint8(m.Lease)
}

// A visitor is called with each state that may follow.
type visitor func(how what, s state)

// steps visits every state that may follow s.
func (m *Model) steps(s *state, visit visitor) {
	m.ticks(s, visit)
	for i := range s.nodes {
		m.arrivals(s, i, visit)
		if int(s.restarts) < m.Restarts {
			n := *s
			n.restarts++
			n.nodes[i].owner, n.nodes[i].left, n.nodes[i].register = 0, 0, 0
			if m.Rules.Guard {
				n.nodes[i].quarantine = uint8(m.Lease)
			}
			visit(say("server %d restarts empty", i), n)
		}
	}
	for c := range s.clients {
		m.decisions(s, c, visit)
	}
}

// ticks moves the time on. The clock of a client may miss a tick.
func (m *Model) ticks(s *state, visit visitor) {
	for slow := -1; slow < clients; slow++ {
		if slow >= 0 && (!m.Drift || s.clients[slow].missed || s.clients[slow].valid == 0) {
			continue
		}
		n := *s
		for i := range n.nodes {
			x := &n.nodes[i]
			if x.left > 0 {
				if x.left--; x.left == 0 {
					x.owner = 0
				}
			}
			x.quarantine = less(x.quarantine)
		}
		for c := range n.clients {
			if c == slow {
				n.clients[c].missed = true
				continue
			}
			n.clients[c].valid = less(n.clients[c].valid)
			n.clients[c].pending = less(n.clients[c].pending)
		}
		visit(say("tick"), n)
	}
}

func less(v uint8) uint8 {
	if v > 0 {
		return v - 1
	}
	return 0
}

// arrivals lets messages to one server arrive.
func (m *Model) arrivals(s *state, i int, visit visitor) {
	for c := range s.clients {
		for attempt := uint8(1); attempt <= most; attempt++ {
			bit := uint8(1) << (attempt - 1)
			if s.nodes[i].acquires[c]&bit != 0 {
				n := *s
				n.nodes[i].acquires[c] &^= bit
				m.acquire(n, i, c, attempt, visit)
			}
			if s.nodes[i].repeats[c]&bit != 0 {
				n := *s
				n.nodes[i].repeats[c] &^= bit
				m.acquire(n, i, c, attempt, visit)
			}
			if s.nodes[i].releases[c]&bit != 0 {
				m.release(s, i, c, attempt, visit)
			}
			if s.nodes[i].extends[c]&bit != 0 {
				m.extend(s, i, c, attempt, visit)
			}
		}
		if s.nodes[i].raise[c] {
			m.raise(s, i, c, visit)
		}
	}
}

// acquire lets a request for a vote arrive, and its reply come back or be lost.
func (m *Model) acquire(n state, i, c int, attempt uint8, visit visitor) {
	x, me := &n.nodes[i], m.owner(c, attempt)
	if x.quarantine > 0 || x.owner != 0 && x.owner != me {
		visit(say("server %d refuses client %d", i, c), n)
		return
	}
	if m.Tokens && x.owner != me {
		x.register++
	}
	x.owner, x.left = me, uint8(m.Lease)
	visit(say("server %d grants client %d, which does not hear of it", i, c), n)
	if k := &n.clients[c]; k.attempt == attempt && k.phase == asking && m.inTime(k) {
		x.voted[c], x.value[c] = true, x.register
		visit(say("server %d grants client %d", i, c), n)
	}
}

// release lets a release arrive. It stays under way for as long as the request
// may still come: a client sends it again when the server has begun to refuse
// that.
func (m *Model) release(s *state, i, c int, attempt uint8, visit visitor) {
	n := *s
	x := &n.nodes[i]
	bit := uint8(1) << (attempt - 1)
	late := (x.acquires[c]|x.extends[c])&bit == 0 && (x.repeats[c]&bit == 0 || !m.Rules.EveryRequest)
	if late {
		x.releases[c] &^= bit
	}
	if x.owner == m.owner(c, attempt) || !m.Rules.TokenCheck {
		x.owner, x.left = 0, 0
	} else if !late {
		return
	}
	visit(say("server %d frees what client %d had", i, c), n)
}

// extend lets an extension arrive. A vote that is missing is asked for again by
// it.
func (m *Model) extend(s *state, i, c int, attempt uint8, visit visitor) {
	n := *s
	x, me := &n.nodes[i], m.owner(c, attempt)
	x.extends[c] &^= 1 << (attempt - 1)
	if x.owner != me && (x.owner != 0 && m.Rules.RefillCheck || x.quarantine > 0 && m.Rules.GuardRefill) {
		visit(say("server %d does not extend client %d", i, c), n)
		return
	}
	x.owner, x.left = me, uint8(m.Lease)
	visit(say("server %d extends client %d, which does not hear of it", i, c), n)
	if k := &n.clients[c]; k.attempt == attempt && k.phase == holding && m.inTime(k) {
		x.extended[c] = true
		visit(say("server %d extends client %d", i, c), n)
	}
}

// raise lets a token arrive that is written back.
func (m *Model) raise(s *state, i, c int, visit visitor) {
	n := *s
	x, k := &n.nodes[i], &n.clients[c]
	x.raise[c] = false
	if x.owner != m.owner(c, k.attempt) {
		visit(say("server %d does not take the token of client %d", i, c), n)
		return
	}
	x.register = max(x.register, k.token)
	visit(say("server %d takes the token %d of client %d, which does not hear of it", i, int(k.token), c), n)
	if k.phase == raising {
		x.raised[c] = true
		visit(say("server %d takes the token %d of client %d", i, int(k.token), c), n)
	}
}
