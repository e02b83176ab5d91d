package redis

import "strconv"

// Joint calls are why many callers at a time cost the server, and this process,
// little more than one: their acquires and releases of locks travel as one script,
// which lock_joint.lua is. On a cluster their keys may be in several slots, and a
// call that must wait for replicas needs an answer of its own, so there each goes
// by itself.

// perJoint is how many calls one script carries out: it keeps the server for a
// fraction of a millisecond.
const perJoint = 64

// A form is how a call is part of a joint one. Releases come first, so that an
// acquire may find what one of them has just freed.
type form uint8

const (
	alone   form = iota // it cannot be
	gives               // a release
	tries               // an acquire that does not queue
	deaf                // one that queues, without a subscription
	listens             // and with one
	forms
)

// join returns the calls to send for a batch: those that can be are made parts of
// joint ones, which come last.
func (n *node) join(batch []*call) []*call {
	if len(batch) < 2 || n.astray != nil {
		return batch
	}
	var counts [forms]int
	for _, c := range batch {
		counts[c.form]++
	}
	if len(batch)-counts[alone] < 2 {
		return batch
	}
	var at [forms]int
	for f := gives; f < forms; f++ {
		at[f] = at[f-1] + counts[f-1]
	}
	sorted := make([]*call, len(batch))
	for _, c := range batch {
		sorted[at[c.form]] = c
		at[c.form]++
	}
	out, parts := sorted[:counts[alone]:counts[alone]], sorted[counts[alone]:]
	for len(parts) > 0 {
		size := min(len(parts), perJoint)
		out = append(out, jointly(parts[:size]))
		parts = parts[size:]
	}
	return out
}

// jointly returns the call that carries out parts, which are in the order of their
// forms. It has no channel: nobody but its parts' callers waits for it.
//
// Its arguments are pointers to strings that never change, because a string costs
// an allocation to be passed.
func jointly(parts []*call) *call {
	var counts [forms]int
	for _, c := range parts {
		counts[c.form]++
	}
	j := &call{script: parts[0].script.joint, parts: parts, guard: 1}
	keys := 4 * len(parts)
	j.full = make([]any, scriptArgs, scriptArgs+keys+4+len(parts))
	j.full[2] = strconv.Itoa(keys)
	releases, acquires := parts[:counts[gives]], parts[counts[gives]:]
	for _, group := range []struct {
		parts []*call
		key   int
	}{
		{releases, stateKey}, {releases, queueKey},
		{acquires, stateKey}, {acquires, queueKey}, {acquires, fenceKey}, {acquires, waitersKey},
		{releases, fenceKey}, {releases, waitersKey},
	} {
		for _, c := range group.parts {
			j.full = append(j.full, &c.keys[group.key])
		}
	}
	j.full = append(j.full, nil, counts[gives], counts[tries], counts[deaf])
	for _, c := range parts {
		j.full = append(j.full, c.token)
	}
	return j
}

// released is what a release that held is told.
var released any = int64(1)

// deal gives each part its reply, and returns those that have none and are to be
// sent by themselves.
//
// That is safe. Each part is idempotent, and one that failed in its middle is known
// to have been repeated. If the server refused the joint call as a whole, which
// says nothing of its parts, for one key without the right to it is enough, nothing
// was carried out: whatever a server refuses (a right, a script that it does not
// know, memory, a replica, a slot, a script of somebody else that runs) it refuses
// before the script or at the first write, and the script catches what a command
// throws. So a release of those that then finds nothing has found a loss.
func (c *call) deal() (again []*call) {
	replies, clock := c.reply(), c.value
	if len(replies) > 0 {
		clock = replies[0]
	}
	time, known := clock.(int64)
	if c.err == nil && known {
		c.node.clock.note(c, time/1000)
	}
	for _, part := range c.parts {
		part.noted = true
		switch {
		case c.err != nil && answered(c.err):
			again = append(again, part)
		case c.err != nil:
			part.err = c.err
		case !known:
			part.repeated = true
			again = append(again, part)
		case part.form == gives:
			part.value = released
		default:
			part.value = clock
		}
	}
	if c.err != nil {
		return again
	}
	for i := 1; i+1 < len(replies); i += 2 {
		at := replies.number(i) - 1
		if at < 0 || at >= int64(len(c.parts)) {
			continue
		}
		part := c.parts[at]
		if part.value = replies[i+1]; part.value == nil {
			part.repeated = true
			again = append(again, part)
		}
	}
	return again
}
