package postgres

import (
	"context"
	"time"
)

// block carries out an op that waits at the server, for as long as somebody
// waits for it here.
func (st *standing) block(o *op) progress {
	st.session.add(o)
	if st.gated || st.wait.place.take == opLock {
		st.wait.standsAt()
	}
	// Whoever is not let through the turnstile by now stands in the line before it.
	stands := time.NewTimer(5 * time.Millisecond)
	defer stands.Stop()
	for !o.resolved() {
		deserted, again := st.wait.deserted(&st.empty)
		if deserted {
			st.cancel(o)
			break
		}
		select {
		case <-o.done:
		case <-stands.C:
			st.wait.standsAt()
		case <-st.wait.changed:
		case <-again:
		}
	}
	return st.blocked(o)
}

// blocked tells how a wait at the server ended.
func (st *standing) blocked(o *op) progress {
	switch state := sqlState(o.err); {
	case o.err == nil:
		st.key, st.token = st.wait.keys.data, o.token
		return reached
	case !st.session.alive():
		st.wait.setTrouble(o.err)
		return gone
	case state == codeLockTimeout:
		if _, ended := st.wait.waiting(); ended {
			return st.leave()
		}
		if st.passed {
			if p := st.leave(); p != left {
				return p
			}
		}
		return timedOut
	case state == codeCancelled:
		if p := st.leave(); p != left {
			return p
		}
		if _, ended := st.wait.waiting(); ended {
			return left
		}
		return timedOut // Somebody else cancelled it: it begins again.
	default:
		err := unavailable(o.err)
		if st.leave() == left {
			st.wait.fail(err)
			return refused
		}
		return gone
	}
}

// leave gives up whatever the session may hold.
func (st *standing) leave() progress {
	st.gated, st.passed, st.shows = false, false, false
	st.unlisten()
	o := special(st.session.stmts.unlockAll).must()
	st.session.add(o)
	<-o.done
	if o.err != nil {
		return gone
	}
	return left
}

// cancel makes the server end a statement that waits. The request goes over a
// connection of its own and may arrive before the statement does, and then has no
// effect, so it is repeated until the outcome is there. The server signals the
// process before it answers the request, so that hardly one can hit the next
// statement; whatever statement it is, it is undone or made again. If the server
// cannot be asked the session is ended instead.
func (st *standing) cancel(o *op) {
	const patience = 3 * time.Second
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	for !o.resolved() {
		if st.session.inFlight(o) {
			_ = st.session.conn.CancelRequest(ctx)
		}
		select {
		case <-o.done:
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			st.session.kill("a wait could not be cancelled within %v", patience)
			<-o.done
		}
	}
}
