package redis

import (
	"context"
	"slices"
	"strings"
)

// runJointly is run by way of the script for several, between two that are for
// another lock.
func (t *trial) runJointly(s *script, judge func(answer any), args []any) {
	t.Helper()
	other, beside := keysSlice(t.keys[0]+"beside"), "a1|beside"
	first := &call{script: t.f.release, keys: other, token: &beside, form: gives}
	part := t.part(s, args)
	last := &call{script: t.f.acquire, keys: other, token: &beside, form: listens}
	t.send(first, part, last)
	t.pipe.Del(context.Background(), other...)
	t.then(func() {
		t.Helper()
		if first.number() != 0 || verdict(last.value).number(0) != 1 {
			t.failf("beside it: release %v, acquire %v", first.value, last.value)
		}
		judge(part.value)
	})
}

// part makes a call that can be a part of a joint one.
func (t *trial) part(s *script, args []any) *call {
	token := args[0].(string)
	c := &call{script: s, keys: t.keys, token: &token, form: gives}
	switch {
	case len(args) == 1:
	case args[2] == "":
		c.form = tries
	case strings.HasSuffix(args[3].(string), "|1"):
		c.form = listens
	default:
		c.form = deaf
	}
	return c
}

// send has the server carry out parts, which are in the order of their forms.
func (t *trial) send(parts ...*call) {
	t.Helper()
	j := jointly(parts)
	j.node, j.until = new(node), "9007199254740992"
	cmd := j.prepare(context.Background(), false)
	_ = t.pipe.Process(context.Background(), cmd) // It is sent with all others.
	t.then(func() {
		t.Helper()
		j.value, j.err = t.answer(j.script, cmd.Cmd), nil
		if again := j.deal(); len(again) > 0 {
			t.failf("%s: %v", j.script.name, j.value)
		}
	})
}

// several does some releases and acquires of the one lock in one call. The same
// release may be among them twice, as when it is sent again before the first one
// has left: then both are told what came of the first.
func (t *trial) several() {
	var parts []*call
	for range t.rand.IntN(4) {
		token := t.anyToken()
		for holder := range t.m.holders { // There is one at most.
			if t.rand.IntN(2) == 0 {
				token = holder
			}
		}
		parts = append(parts, t.part(t.f.release, []any{token}))
		if t.rand.IntN(3) == 0 {
			parts = append(parts, t.part(t.f.release, []any{*parts[len(parts)-1].token}))
		}
	}
	releases := len(parts)
	for range 1 + t.rand.IntN(3) {
		token := t.anyToken()
		record := t.lockRecord(token)
		part := t.part(t.f.acquire, []any{token, "", []string{"", newTicket}[t.rand.IntN(2)], record})
		part.record = &record
		parts = append(parts, part)
	}
	slices.SortStableFunc(parts, func(a, b *call) int { return int(a.form) - int(b.form) })
	for _, c := range parts {
		t.note("jointly: form %d of %s", c.form, *c.token)
	}
	t.send(parts...)
	released := make(map[string]bool)
	for _, c := range parts[:releases] {
		want := t.m.release(*c.token)
		excused := t.lapsed(*c.token) || released[*c.token]
		released[*c.token] = true
		t.then(func() {
			t.Helper()
			if got := c.number(); got != want && !excused {
				t.failf("a part, the release of %s, answered %v; the model says %d", *c.token, got, want)
			}
		})
	}
	for _, c := range parts[releases:] {
		ticket := newTicket
		if c.form == tries {
			ticket = ""
		}
		fence, place, rank := t.m.acquire(*c.token, *c.record, ticket, "w", 1)
		t.then(func() {
			t.Helper()
			t.acquired(verdict(c.value), fence, place, rank)
		})
	}
}
