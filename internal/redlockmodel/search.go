package redlockmodel

import "fmt"

// A Result is what a search has found.
type Result struct {
	States    int
	Violation string   // empty if there is none
	Trail     []string // the shortest way to it
}

// say describes a step. It is not made into text until somebody wants to read it.
func say(format string, args ...int) what {
	w := what{format: format}
	copy(w.args[:], args)
	w.count = len(args)
	return w
}

type what struct {
	format string
	args   [3]int
	count  int
}

func (w what) String() string {
	args := make([]any, w.count)
	for i := range args {
		args[i] = w.args[i]
	}
	return fmt.Sprintf(w.format, args...)
}

// Search visits every state that can be reached, the nearest first, and returns
// the first violation. It gives up with an error beyond limit states.
func (m *Model) Search(limit int) (Result, error) {
	from := m.starts()
	seen := make(map[key]struct{})
	var way []int32 // the parent of each state
	for i := range from {
		seen[from[i].key()] = struct{}{}
		way = append(way, -1)
	}
	done := 0
	for len(from) > 0 {
		next := make([]state, 0, len(from)*2)
		for i := range from {
			if v := m.violation(&from[i]); v != "" {
				return Result{States: len(seen), Violation: v, Trail: m.trail(way, done)}, nil
			}
			m.steps(&from[i], func(_ what, s state) {
				s = s.canonical()
				k := s.key()
				if _, old := seen[k]; old {
					return
				}
				seen[k] = struct{}{}
				next = append(next, s)
				way = append(way, int32(done))
			})
			done++
		}
		if len(seen) > limit {
			return Result{States: len(seen)}, fmt.Errorf("more than %d states", limit)
		}
		from = next
	}
	return Result{States: len(seen)}, nil
}

// starts returns where the search begins. With tokens, the servers may remember
// any: a majority has the last one that was granted.
func (m *Model) starts() []state {
	if !m.Tokens {
		return []state{{}}
	}
	var all []state
	for low := range uint8(2) {
		for middle := low; middle < 2; middle++ {
			for high := middle; high < 2; high++ {
				s := state{granted: middle}
				for i, v := range []uint8{low, middle, high} {
					s.nodes[i].register = v
				}
				all = append(all, s)
			}
		}
	}
	return all
}

// trail tells the way to the state with number at. Only the parents are kept, so
// it walks again through the states from the start, which are numbered in the
// order in which they are found.
func (m *Model) trail(way []int32, at int) []string {
	on := make(map[int32]bool) // the numbers of the states on the way
	for i := int32(at); i >= 0; i = way[i] {
		on[i] = true
	}
	from, number := m.starts(), int32(0)
	seen := make(map[key]struct{})
	found := int32(len(from)) - 1
	for i := range from {
		seen[from[i].key()] = struct{}{}
	}
	var told []string
	for len(from) > 0 && int(number) <= at {
		var next []state
		for i := range from {
			m.steps(&from[i], func(w what, s state) {
				s = s.canonical()
				k := s.key()
				if _, old := seen[k]; old {
					return
				}
				seen[k] = struct{}{}
				next = append(next, s)
				if found++; on[found] {
					told = append(told, w.String())
				}
			})
			number++
		}
		from = next
	}
	return told
}

// violation returns what is wrong with a state.
func (m *Model) violation(s *state) string {
	holders := 0
	for c := range s.clients {
		if s.clients[c].phase == holding && s.clients[c].valid > 0 {
			holders++
		}
	}
	if holders > 1 {
		return "two clients hold the lock"
	}
	if s.granted == regressed {
		return "a token is not greater than the one before"
	}
	for c := range s.clients {
		if s.clients[c].phase != idle {
			return ""
		}
	}
	for i := range s.nodes {
		x := &s.nodes[i]
		for c := range s.clients {
			if x.acquires[c]|x.repeats[c]|x.releases[c]|x.extends[c] != 0 || x.raise[c] {
				return ""
			}
		}
	}
	for i := range s.nodes {
		if s.nodes[i].owner != 0 {
			return "nobody holds the lock and no message is under way, but a server keeps it"
		}
	}
	return ""
}
