package redlockmodel

import (
	"strings"
	"testing"
)

// models are the instances that are searched. Each stresses a part; together
// they cover the protocol within seconds.
var models = map[string]Model{
	"retry":   {Acquires: [2]int{2, 1}, Lease: 2},
	"repeat":  {Acquires: [2]int{1, 1}, Lease: 2, Repeats: true},
	"extend":  {Acquires: [2]int{1, 1}, Lease: 2, Extends: true},
	"refill":  {Acquires: [2]int{1, 1}, Lease: 2, Extends: true, Restarts: 1},
	"restart": {Acquires: [2]int{1, 1}, Lease: 2, Restarts: 1},
	"drift":   {Acquires: [2]int{1, 1}, Lease: 3, Drift: true},
	"tokens":  {Acquires: [2]int{1, 1}, Lease: 1, Tokens: true},
}

func TestProtocol(t *testing.T) {
	if raced {
		t.Skip("the search has one goroutine, in which there is no race to see; make check runs it")
	}
	for name, m := range models {
		t.Run(name, func(t *testing.T) {
			m.Rules = All()
			r, err := m.Search(limit)
			if err != nil {
				t.Fatal(err)
			}
			if r.Violation != "" {
				t.Fatalf("after %d states: %s:\n%s", r.States, r.Violation, strings.Join(r.Trail, "\n"))
			}
			t.Logf("%d states, no violation", r.States)
		})
	}
}

// TestEveryRuleIsNeeded takes one rule away at a time and expects the search to
// find what it was for.
func TestEveryRuleIsNeeded(t *testing.T) {
	if raced {
		t.Skip("the search has one goroutine, in which there is no race to see; make check runs it")
	}
	const (
		two       = "two clients hold the lock"
		kept      = "nobody holds the lock and no message is under way, but a server keeps it"
		regressed = "a token is not greater than the one before"
	)
	for _, mutant := range []struct {
		rule  string
		model string
		drop  func(r *Rules)
		want  string
	}{
		{"Majority", "retry", func(r *Rules) { r.Majority = false }, two},
		{"OfAll", "extend", func(r *Rules) { r.OfAll = false }, two},
		{"GiveBack", "retry", func(r *Rules) { r.GiveBack = false }, kept},
		{"EveryRequest", "repeat", func(r *Rules) { r.EveryRequest = false }, kept},
		{"TokenCheck", "retry", func(r *Rules) { r.TokenCheck = false }, two},
		{"FreshToken", "retry", func(r *Rules) { r.FreshToken = false }, two},
		{"Guard", "restart", func(r *Rules) { r.Guard = false }, two},
		{"GuardRefill", "refill", func(r *Rules) { r.GuardRefill = false }, two},
		{"RefillCheck", "refill", func(r *Rules) { r.RefillCheck = false }, two},
		{"FromBefore", "retry", func(r *Rules) { r.FromBefore = false }, two},
		{"ExtendedFromBefore", "extend", func(r *Rules) { r.ExtendedFromBefore = false }, two},
		{"Margin", "drift", func(r *Rules) { r.Margin = false }, two},
		{"WriteBack", "tokens", func(r *Rules) { r.WriteBack = false }, regressed},
	} {
		t.Run(mutant.rule, func(t *testing.T) {
			m := models[mutant.model]
			m.Rules = All()
			mutant.drop(&m.Rules)
			r, err := m.Search(limit)
			if err != nil {
				t.Fatal(err)
			}
			if r.Violation != mutant.want {
				t.Fatalf("after %d states: found %q, want %q\n%s", r.States, r.Violation, mutant.want, strings.Join(r.Trail, "\n"))
			}
			t.Logf("%d states: %s:\n%s", r.States, r.Violation, strings.Join(r.Trail, "\n"))
		})
	}
}

// limit keeps a model that has grown too large from filling the memory.
const limit = 4_000_000
