package redlockmodel

// decisions lets a client act.
func (m *Model) decisions(s *state, c int, visit visitor) {
	switch s.clients[c].phase {
	case idle:
		m.begin(s, c, visit)
	case asking:
		m.repeat(s, c, visit)
		m.count(s, c, visit)
		m.end(s, c, "gives up", visit)
	case raising:
		if s.votes(func(n *node) bool { return n.raised[c] }) >= m.quorum() && m.inTime(&s.clients[c]) {
			m.win(s, c, s.clients[c].token, visit)
		}
		m.end(s, c, "gives up", visit)
	case holding:
		m.prolong(s, c, visit)
		m.end(s, c, "releases", visit)
	}
}

// inTime reports whether what a client counts may still become a hold.
func (m *Model) inTime(k *client) bool { return k.valid > 0 || !m.Rules.FromBefore }

// begin asks every server, in parallel.
func (m *Model) begin(s *state, c int, visit visitor) {
	if int(s.clients[c].attempt) == m.Acquires[c] {
		return
	}
	n := *s
	k := &n.clients[c]
	*k = client{phase: asking, attempt: k.attempt + 1, valid: m.term()}
	for i := range n.nodes {
		n.nodes[i].acquires[c] |= 1 << (k.attempt - 1)
	}
	visit(say("client %d asks", c), n)
}

// repeat asks one server once more, as a waiter does from round to round.
func (m *Model) repeat(s *state, c int, visit visitor) {
	k := &s.clients[c]
	if !m.Repeats || k.repeats {
		return
	}
	for i := range s.nodes {
		n := *s
		n.clients[c].repeats = true
		n.nodes[i].repeats[c] |= 1 << (k.attempt - 1)
		visit(say("client %d asks server %d once more", c, i), n)
	}
}

// count makes a hold of a majority, once its token is safe.
func (m *Model) count(s *state, c int, visit visitor) {
	voted := func(n *node) bool { return n.voted[c] }
	if s.votes(voted) < m.quorum() || !m.inTime(&s.clients[c]) {
		return
	}
	if !m.Tokens {
		m.win(s, c, 0, visit)
		return
	}
	var greatest uint8
	for i := range s.nodes {
		x := &s.nodes[i]
		if x.voted[c] {
			greatest = max(greatest, x.value[c])
		}
	}
	for i := range s.nodes {
		v := s.nodes[i].value[c]
		if s.votes(func(n *node) bool { return n.voted[c] && n.value[c] == v }) >= m.quorum() && s.nodes[i].voted[c] {
			m.win(s, c, v, visit) // A majority has stored it already.
			return
		}
	}
	if !m.Rules.WriteBack {
		m.win(s, c, greatest, visit)
		return
	}
	n := *s
	n.clients[c].phase, n.clients[c].token = raising, greatest
	for i := range n.nodes {
		n.nodes[i].raise[c] = n.nodes[i].voted[c]
	}
	visit(say("client %d writes the token %d back", c, int(greatest)), n)
}

func (m *Model) win(s *state, c int, token uint8, visit visitor) {
	n := *s
	k := &n.clients[c]
	k.phase, k.token = holding, token
	if !m.Rules.FromBefore {
		k.valid = m.term()
	}
	for i := range n.nodes {
		x := &n.nodes[i]
		if m.Rules.OfAll {
			x.voted[c] = false // Nothing depends on them any more.
		}
		x.value[c], x.raised[c] = 0, false
	}
	if !m.Tokens {
		visit(say("client %d holds", c), n)
		return
	}
	if token <= n.granted {
		n.granted = regressed
	} else {
		n.granted = token
	}
	visit(say("client %d holds with token %d", c, int(token)), n)
}

// regressed marks that a token was not greater than the ones before it.
const regressed = 255

// prolong extends a hold, once.
func (m *Model) prolong(s *state, c int, visit visitor) {
	k := &s.clients[c]
	if m.Extends && !k.extends && k.valid > 0 {
		n := *s
		n.clients[c].extends, n.clients[c].pending = true, m.term()
		for i := range n.nodes {
			n.nodes[i].extends[c] |= 1 << (k.attempt - 1)
		}
		visit(say("client %d extends", c), n)
	}
	need := m.quorum()
	if !m.Rules.OfAll {
		need = (s.votes(func(n *node) bool { return n.voted[c] }) + 1) / 2
	}
	if s.votes(func(n *node) bool { return n.extended[c] }) < need || k.valid == 0 {
		return
	}
	n := *s
	j := &n.clients[c]
	j.valid, j.pending, j.missed = j.pending, 0, false
	if !m.Rules.ExtendedFromBefore {
		j.valid = m.term()
	}
	for i := range n.nodes {
		n.nodes[i].extended[c] = false
	}
	visit(say("client %d has extended", c), n)
}

// end gives everything back, and forgets it.
func (m *Model) end(s *state, c int, how string, visit visitor) {
	n := *s
	k := &n.clients[c]
	for i := range n.nodes {
		x := &n.nodes[i]
		if m.Rules.GiveBack || k.phase == holding {
			x.releases[c] |= 1 << (k.attempt - 1)
		}
		x.voted[c], x.value[c], x.extended[c], x.raised[c] = false, 0, false, false
	}
	// The token stays while it is under way, and messages of an extension carry
	// the token of the attempt.
	attempt, token := k.attempt, uint8(0)
	for i := range n.nodes {
		if n.nodes[i].raise[c] {
			token = k.token
		}
	}
	*k = client{phase: idle, attempt: attempt, token: token}
	visit(say("client %d "+how, c), n)
}
