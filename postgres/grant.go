package postgres

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"
)

// arrive gives the first member what a wait was granted. The session's reader
// calls it, so that the member is woken by the goroutine that the network wakes,
// without another one between the two: that is most of what a hand-over costs
// beyond the round trip.
func (st *standing) arrive(o *op) {
	if o.err != nil {
		return
	}
	st.key, st.token = st.wait.keys.data, o.token
	if c := st.claim(false, st.token); !st.wait.deliver(c) {
		st.spare = c
	}
}

// hand gives the members what was granted and not given by arrive, and reports
// whether others wait still. Readers are let in together: a session that reads is
// granted further shares at once, even if a writer waits elsewhere, and these
// readers came before it.
func (st *standing) hand() (again bool) {
	var claims []*claim
	switch st.wait.place.take {
	case opRead:
		claims = append(claims, st.claim(true, st.token))
		if n, _ := st.wait.waiting(); n > 1 {
			claims = append(claims, st.share(n-1)...)
		}
	case opPermit:
		claims = append(claims, st.claim(false, st.token))
	default:
		if st.spare != nil {
			claims = append(claims, st.spare)
		}
	}
	for _, c := range claims {
		if !st.wait.deliver(c) {
			_ = c.Release(context.Background()) // If it fails the session has ended.
		}
	}
	return !st.wait.close()
}

// claim makes a claim of what the session was granted. The session is given back
// when the last of them is released.
func (st *standing) claim(shared bool, token uint64) *claim {
	st.uses.Add(1)
	c := &claim{session: st.session, stand: st, shared: shared}
	c.op.key, c.token, c.flag = st.key, token, st.wait.keys.flag
	st.session.own(c)
	return c
}

// share takes the lock n more times, for readers who wait together, in one
// statement.
func (st *standing) share(n int) (claims []*claim) {
	ops := make([]*op, n)
	for i := range ops {
		ops[i] = simple(opShare, st.key).must()
	}
	st.session.add(ops...)
	for _, o := range ops {
		if <-o.done; o.err == nil && o.reply == replyTaken {
			claims = append(claims, st.claim(true, o.token))
		}
	}
	return claims
}

// queueForPermit waits at the gate of a semaphore and then, as the only one there,
// for a slot. It listens before it looks, and those who release a slot look for
// its flag after they have, so no release is missed; a slot that becomes free
// because its holder's session ended is found by the backstop.
func (st *standing) queueForPermit() progress {
	if !st.gated {
		if p := st.block(st.gateOp()); p != reached {
			return p
		}
		st.gated = true
		st.listen()
	}
	const shortest, longest = 50 * time.Millisecond, time.Second
	pause := shortest
	for {
		o := st.slotOp()
		st.session.add(o)
		<-o.done
		switch {
		case o.err != nil:
			return st.blocked(o)
		case len(o.slots) == 1 && o.slots[0] >= 0:
			st.unlisten()
			st.key, st.token = st.wait.keys.slot(o.slots[0]), o.token
			return reached
		}
		st.wait.standsAt()
		notified, stay := st.sleep(pause/2 + rand.N(pause))
		switch {
		case !stay:
			return st.leave()
		case !st.session.alive():
			return gone
		case notified:
			pause = shortest
		default:
			pause = min(2*pause, longest)
		}
	}
}

// slotOp tries to take a slot, and leaves the gate if it can. It is alone, because its
// undo gives up all that the session holds, the gate and the flags too: then it has
// failed, and the wait begins again.
func (st *standing) slotOp() *op {
	k, limit := st.wait.keys, st.wait.place.limit
	o := special(st.session.stmts.waitQueue,
		strconv.FormatInt(k.data.value, 10), strconv.Itoa(limit), strconv.Itoa(rand.N(limit)),
		strconv.FormatInt(k.gate, 10), strconv.FormatInt(k.flag, 10), strconv.FormatInt(st.queue.pool.common, 10))
	o.owner, o.alone = hooks{undoing: st.clean}, true
	return o
}

// sleep waits for a notification or for d. It reports whether there was one, and
// whether anybody waits still.
func (st *standing) sleep(d time.Duration) (notified, stay bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		deserted, again := st.wait.deserted(&st.empty)
		if deserted {
			return false, false
		}
		select {
		case <-st.told():
			return true, true
		case <-timer.C:
			return false, true
		case <-st.wait.changed:
		case <-again:
		}
	}
}

func (st *standing) told() <-chan struct{} { return st.listens.ch }

// listen listens for releases and shows the flags that ask for them.
func (st *standing) listen() {
	st.listens = newListener(st.session)
	flag := st.wait.keys.flag
	st.session.subscribe(flag, st.listens)
	show := simple(opShare, st.wait.keys.limitKey(st.wait.place.limit))
	st.session.add(dropped(show))
	st.shows = true
	for _, f := range []int64{st.queue.pool.common, flag} {
		st.session.add(dropped(simple(opRaise, Int64Key(f))))
	}
}

// dropped returns o, which takes a key of its own, shared, as one that is undone by
// giving up that key alone. It is not awaited: by the time of its undo the session
// may have been granted a slot.
func dropped(o *op) *op {
	key := o.key
	o.owner = hooks{undoing: func() ([]*op, bool) { return []*op{simple(opDropRead, key).must()}, true }}
	return o
}

// unlisten takes back listen, except for the flags, which go with the gate.
func (st *standing) unlisten() {
	if st.listens != nil {
		st.session.unsubscribe(st.wait.keys.flag, st.listens)
		st.listens = nil
	}
}
