package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/distlock/distlock-go/core"
)

// Fencing tokens are kept in a register on each server, which only grows. The
// registers of a majority hold the greatest token that was ever used.

// settle makes the token safe: a majority must have stored it, so that the next
// majority has met it. If one gave the same token to this hold, it has. Otherwise
// the greatest one is written back to those that gave their votes. A server takes
// it from its holder only, and may answer with a greater one if it knows of
// another holder with that token; then that one is written back, and so on.
//
// Of two holders that hold together no two get the same token: a server that both
// majorities have in common would have stored it for both.
func (u *union) settle(ctx context.Context) error {
	q := u.e.l.quorum
	u.mu.Lock()
	fences := make([]uint64, len(u.votes))
	for i, v := range u.votes {
		if v != nil {
			fences[i] = v.h.fence
		}
	}
	u.mu.Unlock()
	for range 10 {
		var top uint64
		for _, f := range fences {
			same := 0
			for _, g := range fences {
				if f != 0 && f == g {
					same++
				}
			}
			if same >= q {
				u.fence = f
				return nil
			}
			top = max(top, f)
		}
		if err := u.raise(ctx, top, fences); err != nil {
			return err
		}
	}
	return &TroubleError{NoMajority, "", fmt.Errorf("%w: no majority agreed on a fencing token", errRepeat)}
}

// raise writes a token back to all servers whose votes there are, and waits for a
// majority.
func (u *union) raise(ctx context.Context, fence uint64, fences []uint64) error {
	l := u.e.l
	l.learn(fence)
	type stored struct {
		at    int
		fence uint64
		err   error
	}
	answers := make(chan stored, len(l.peers))
	sent := 0
	for i, v := range u.there() {
		if v == nil {
			continue
		}
		x, side := l.peers[i], u.e.sides[i]
		script := x.raiseShared
		switch {
		case u.e.kind == core.KindLock:
			script = x.raiseLock
		case side.slotted():
			script = x.raiseSlot
		}
		call := x.p.script(script, []string{side.keys[stateKey], side.keys[fenceKey]}, v.h.token, string(side.mode), strconv.FormatUint(fence, 10))
		x.p.servers.send(call)
		sent++
		patience := x.patience()
		l.background.Go(func() {
			within, cancel := context.WithTimeout(l.engine.Context(), patience)
			defer cancel()
			err := call.wait(within)
			s := stored{at: i, err: err}
			if err == nil {
				s.fence = uint64(call.number())
			}
			answers <- s
		})
	}
	same := 0
	for range sent {
		select {
		case s := <-answers:
			if s.err != nil {
				continue
			}
			fences[s.at] = s.fence
			l.learn(s.fence)
			if s.fence == fence {
				same++
			}
			if same >= l.quorum {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	have := 0
	for _, f := range fences {
		if f != 0 {
			have++
		}
	}
	if have < l.quorum {
		return &TroubleError{NoMajority, "", fmt.Errorf("%w: too few servers stored the fencing token", errRepeat)}
	}
	return nil
}

// there returns the votes, by server, that have not ended.
func (u *union) there() []*vote {
	u.mu.Lock()
	defer u.mu.Unlock()
	votes := slices.Clone(u.votes)
	for i, v := range votes {
		if v != nil && v.gone {
			votes[i] = nil
		}
	}
	return votes
}
