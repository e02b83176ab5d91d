package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/distlock/distlock-go/core"
)

// Fencing tokens are kept in a register on each server, which only grows. The
// registers of a majority hold the greatest token that was ever used.

// settle makes the token safe: a majority must have stored it, so that the next
// majority has met it. If one gave the same token to this hold, it has. Otherwise
// the greatest one is written back to those that gave their votes. A server takes
// it from its holder only, and may answer with a greater one if it has drawn or
// stored that token for another holder; then one that is ahead of it is written back,
// and so on.
//
// Whatever is written back, tokens grow. None is smaller than what the servers of this
// majority drew, one of which knew the token of any hold before it and drew a greater
// one; and it is used when a majority has stored it. (For a permit that is any hold of
// the same slot, and any that began before its votes were asked for: a server may have
// drawn one for another slot since.) Of two holders that hold together
// no two get the same token: a server stores none for a second holder, and one that
// both majorities have in common would have stored it for both.
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
	for round := range 10 {
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
		if err := u.raise(ctx, u.ahead(top, round), fences); err != nil {
			return err
		}
	}
	return &TroubleError{NoMajority, "", fmt.Errorf("%w: no majority agreed on a fencing token", errRepeat)}
}

// ahead returns the token to write back in a round if top is the greatest that there is
// so far. Where many hold together, what they draw while top is on its way makes a
// server answer with a greater one. So from the second round on it is some round trips
// ahead, in microseconds, of top and of the time: that is more than what is drawn
// meanwhile can reach, because tokens are drawn by the time, or one by one, and no
// server draws one in each microsecond. Those who write back at the same time may
// still be in each other's way, but for whoever has tried more often, which is further
// ahead.
//
// It is no further ahead of the time than what a client may propose, which is why
// RedLock's documentation allows the clocks to differ by a quarter of the lease.
func (u *union) ahead(top uint64, round int) uint64 {
	if round == 0 {
		return top
	}
	l := u.e.l
	trip := time.Millisecond
	for i, v := range u.there() {
		if v != nil {
			trip = max(trip, l.peers[i].roundTrip())
		}
	}
	most := l.opts.Lease / 4
	now, step := l.clock(), min(trip<<round, most)
	return max(top, min(max(top, now)+uint64(step.Microseconds()), now+uint64(most.Microseconds())))
}

// raise writes a token back to all servers whose votes there are, and waits for a
// majority. This process learns of it by the answers, and not before, so as not to
// propose a greater one that might overtake it.
func (u *union) raise(ctx context.Context, fence uint64, fences []uint64) error {
	l := u.e.l
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
