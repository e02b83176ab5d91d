package redis

import (
	"context"
	"slices"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// runJointly is run by way of the script for several, between two that are for
// another lock.
func (t *trial) runJointly(s *script, args []any) any {
	t.Helper()
	other, beside := keysSlice(t.keys[0]+"beside"), "a1|beside"
	defer t.client.Del(context.Background(), other...)
	first := &call{script: t.f.release, keys: other, token: &beside, form: gives}
	part := t.part(s, args)
	last := &call{script: t.f.acquire, keys: other, token: &beside, form: listens}
	t.send(first, part, last)
	if first.number() != 0 || verdict(last.value).number(0) != 1 {
		t.failf("beside it: release %v, acquire %v", first.value, last.value)
	}
	return part.value
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
	for _, source := range []bool{false, true} {
		cmd := j.prepare(context.Background(), source)
		j.err = t.client.Process(context.Background(), cmd)
		j.value = cmd.Val()
		if !goredis.HasErrorPrefix(j.err, "NOSCRIPT") {
			break
		}
	}
	if again := j.deal(); j.err != nil || len(again) > 0 {
		t.failf("%s: %v %v", j.script.name, j.value, j.err)
	}
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
		got, want := c.number(), t.m.release(*c.token)
		if got != want && !t.lapsed(*c.token) && !released[*c.token] {
			t.failf("a part, the release of %s, answered %v; the model says %d", *c.token, got, want)
		}
		released[*c.token] = true
	}
	for _, c := range parts[releases:] {
		ticket := newTicket
		if c.form == tries {
			ticket = ""
		}
		fence, place, rank := t.m.acquire(*c.token, *c.record, ticket, "w", 1)
		t.acquired(verdict(c.value), fence, place, rank)
	}
}
