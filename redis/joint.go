package redis

import "slices"

// Joint calls are why many callers at a time cost the server, and this process,
// little more than one: their acquires and releases travel as one script, which
// lock_joint.lua is. On a cluster their keys may be in several slots, and a call
// that must wait for replicas needs an answer of its own, so there each goes by
// itself.

// perJoint is how many calls one script carries out: it keeps the server for a
// fraction of a millisecond.
const perJoint = 64

// join returns the calls to send for a batch: those that can be are made parts of
// joint ones, which come last. Releases come before acquires, so that one may
// find what the other has just freed.
func (n *node) join(batch []*call) []*call {
	if len(batch) < 2 || n.astray != nil {
		return batch
	}
	var alone, gives, takes []*call
	for _, c := range batch {
		switch {
		case c.script == nil || c.script.joint == nil || c.acks:
			alone = append(alone, c)
		case c.script.gives:
			gives = append(gives, c)
		default:
			takes = append(takes, c)
		}
	}
	if len(gives)+len(takes) < 2 {
		return batch
	}
	releases := len(gives)
	for parts := slices.Concat(gives, takes); len(parts) > 0; {
		size := min(len(parts), perJoint)
		alone = append(alone, jointly(parts[:size], min(size, releases)))
		parts, releases = parts[size:], max(0, releases-size)
	}
	return alone
}

// jointly returns the call that carries out parts, of which so many are releases.
// It has no channel: nobody but its parts' callers waits for it.
func jointly(parts []*call, releases int) *call {
	j := &call{script: parts[0].script.joint, parts: parts, guard: 1}
	j.keys = make([]string, 0, 4*len(parts))
	j.args = make([]any, 2, 2+3*len(parts))
	j.args[1] = releases
	for i, c := range parts {
		j.keys = append(j.keys, c.keys...)
		if i < releases {
			j.args = append(j.args, c.args[0])
		} else {
			j.args = append(j.args, c.args[0], c.args[2], c.args[3])
		}
	}
	return j
}

// deal gives each part its reply, and returns those that have none and are to be
// sent by themselves. A part failed in the middle of its script, or the server
// refused the joint call as a whole, which says nothing of its parts: one key
// without the right to it is enough.
func (c *call) deal() (again []*call) {
	replies := c.reply()
	refused := c.err != nil && answered(c.err) || c.err == nil && len(replies) != len(c.parts)
	for i, part := range c.parts {
		switch {
		case refused:
			again = append(again, part)
		case c.err != nil:
			part.err = c.err
		case replies[i] == nil:
			part.repeated = true
			again = append(again, part)
		default:
			part.value = replies[i]
		}
	}
	return again
}
