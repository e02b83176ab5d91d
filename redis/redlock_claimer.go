package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// An elector takes one object in one mode by a majority. sides are the claimers
// of the single servers.
type elector struct {
	l     *RedLock
	kind  core.Kind
	name  string
	limit int
	sides []*claimer

	otherLimit atomic.Int64
}

var _ driver.Queuer = (*elector)(nil)

func (l *RedLock) claimer(kind core.Kind, name string, mode byte, limit int) *elector {
	e := &elector{l: l, kind: kind, name: name, limit: limit}
	for _, x := range l.peers {
		e.sides = append(e.sides, x.p.claimer(kind, name, mode, limit))
	}
	return e
}

// An election is one acquire. Each of its rounds has tokens of its own: what one
// round gives back may arrive late, and must not touch what the next one gets. The
// upper bits of a token are those of the election, so the votes of a hold can be
// found to belong together.
type election struct {
	e     *elector
	base  uint64
	round uint64
	w     *waiter // in the queue of the server place, or nil
	place int
	push  uint64 // the fence, or the slot and one, that came with its grant; 0: none
	last  *ballot

	turn  time.Time // until when it goes on asking while it is its turn; zero: it is not
	tries int       // rounds of this turn
}

const roundBits = 12

func (e *elector) election() *election {
	return &election{e: e, base: e.l.seq.Add(1) << roundBits, place: -1}
}

// attempt returns the next attempt at one server.
func (n *election) attempt(side *claimer) attempt {
	n.round++
	if n.round == 1<<roundBits {
		n.base, n.round = n.e.l.seq.Add(1)<<roundBits, 1
	}
	a := attempt{seq: n.base | n.round}
	a.token = side.p.token(a.seq)
	a.record = side.record(a.token, side.p.receiver.live())
	return a
}

// Claim implements driver.Claimer. The server at which others wait decides between
// those that try at the same time: who has its vote asks again, and who has not
// gives up.
func (e *elector) Claim(ctx context.Context) (driver.Claim, error) {
	n := e.election()
	b := n.ballot()
	out := b.run(ctx, 100*time.Millisecond)
	for i := 1; out == split && b.failedAt(b.arb) && i < len(e.sides); i++ {
		// The server that decides did not answer: let the next one do it.
		b = n.ballot()
		out = b.run(ctx, 100*time.Millisecond)
	}
	switch out {
	case won:
		return b.claim(ctx)
	case ended:
		return nil, ctx.Err()
	case unavailable:
		return nil, b.noMajority()
	default:
		return nil, b.busy(ctx)
	}
}

// Wait implements driver.Queuer.
func (e *elector) Wait(ctx context.Context, busy func(error)) (driver.Claim, error) {
	n := e.election()
	defer func() { n.leave() }()
	var trouble error // of the servers, if that is what is waited for now
	begun, pause := time.Now(), shortPause
	for {
		n.choose()
		b := n.ballot()
		outcome := b.run(ctx, n.patience())
		switch outcome {
		case won:
			claim, err := b.claim(ctx)
			if err == nil || over(ctx, err) || !errors.Is(err, errRepeat) {
				return claim, err
			}
			n.abandon()
			continue
		case ended:
			n.abandon()
			if trouble != nil {
				return nil, trouble
			}
			return nil, ctx.Err()
		case unavailable:
			trouble = b.noMajority()
			patient := errors.Is(trouble, errQuarantine) || b.slow() && time.Since(begun) < e.l.opts.Timeout
			if busy != nil && !patient {
				n.abandon()
				return nil, trouble
			}
			if !b.slow() || !e.l.peers[n.place].votes() {
				n.abandon() // Servers that are only slow do not cost the place.
			}
			if sleep(ctx, pause/2+rand.N(pause)) != nil {
				n.abandon()
				return nil, trouble
			}
			pause = min(2*pause, time.Second)
			continue
		}
		if b.contended() {
			trouble, pause = nil, shortPause
		}
		if busy != nil && b.contended() {
			busy(b.busy(ctx))
			busy = nil
		}
		if outcome == split && n.goesOn(b) {
			if err := sleep(ctx, n.pause()); err != nil {
				n.abandon()
				return nil, err
			}
			continue
		}
		if outcome == split {
			elsewhere := -1
			if n.push == 0 && b.has(n.place) {
				// The place has given its vote, and others hold a majority: they do not
				// know of this place, or did not when they came. Wait where they are.
				elsewhere = b.refuser(n.place)
			}
			n.abandon()
			n.place = elsewhere
			if n.place < 0 && sleep(ctx, rand.N(20*time.Millisecond)) != nil {
				return nil, ctx.Err()
			}
			continue
		}
		if err := n.await(ctx); err != nil {
			n.abandon()
			return nil, err
		}
	}
}

// patience returns for how long a round asks again those that others hold. What
// the last holder has released is on its way to them; a few round trips bring it.
func (n *election) patience() time.Duration {
	return 10*time.Millisecond + 8*n.e.l.peers[n.place].shortly()
}

// goesOn reports whether to ask for another round while it is this one's turn.
//
// Where processes disagree about the place to wait, it is the turn of several at
// once, and each may have some of the votes and wait for the others to let go of
// theirs. So none of them keeps what it has for longer than a round, other than
// its turn, and each pauses for a random time before the next one: whoever comes
// first then finds all that the others have given back.
func (n *election) goesOn(b *ballot) bool {
	switch {
	case n.w == nil || !b.has(n.place):
		return false
	case n.turn.IsZero() && n.push > 0:
		n.turn = time.Now().Add(300*time.Millisecond + rand.N(300*time.Millisecond))
	case n.turn.IsZero():
		n.turn = time.Now().Add(100 * time.Millisecond)
	}
	n.tries++
	return n.tries < leastRounds || time.Now().Before(n.turn)
}

// leastRounds is how many rounds a turn has, however long each of them takes.
const leastRounds = 8

// pause returns how long to stay away before the next round of a turn.
func (n *election) pause() time.Duration {
	return rand.N(min((2*time.Millisecond+2*n.e.l.peers[n.place].shortly())<<min(n.tries, 5), 50*time.Millisecond))
}

// choose takes a place in a queue: at the first server that votes, or where the
// last round said.
func (n *election) choose() {
	if n.w != nil {
		return
	}
	l := n.e.l
	if n.place < 0 || !l.peers[n.place].up() {
		n.place = l.arbiter()
	}
	side := n.e.sides[n.place]
	n.push = 0
	n.w = l.peers[n.place].p.lines.join(side, n.attempt(side), 0)
	l.peers[n.place].stand()
}

// arbiter returns the server at which to wait: the first that votes, in an order
// on which all processes agree, or else the first that is up.
func (l *RedLock) arbiter() int {
	for i, x := range l.peers {
		if x.votes() {
			return i
		}
	}
	for i, x := range l.peers {
		if x.up() {
			return i
		}
	}
	return 0
}

// leave forgets the place.
func (n *election) leave() {
	if n.w != nil {
		p := n.e.l.peers[n.place]
		p.p.lines.leave(n.w)
		p.unstand()
		n.w, n.turn, n.tries = nil, time.Time{}, 0
	}
}

// abandon gives the place back, whatever came of it.
func (n *election) abandon() {
	if n.w == nil {
		return
	}
	w := n.w
	n.leave()
	n.push = 0
	if b := n.last; b != nil && b.w == w {
		b.mu.Lock()
		call := b.votes[b.arb].call
		b.mu.Unlock()
		if call != nil {
			n.e.l.peers[b.arb].takeBack(w.c, w.attempt, call, false, nil)
		}
	}
}

// await waits until it is this one's turn, until the server at which it waits does
// not know of it any more, or until that is down.
func (n *election) await(ctx context.Context) error {
	x := n.e.l.peers[n.place]
	x.p.receiver.start()
	n.turn, n.tries = time.Time{}, 0
	select {
	case g := <-n.w.grants:
		if n.push = max(g.fence, 1); !g.stale() {
			n.e.l.engine.Observe(ctx, core.Event{
				Type: core.EventHandedOver, Kind: n.e.kind, Name: n.e.name, Shared: n.w.c.shared(),
				Duration: max(0, time.Since(g.from)),
			})
		}
	case <-n.w.astray:
		n.push = 0 // The same attempt takes its old place again.
	case <-x.falls():
		n.abandon()
		n.place = -1
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// busy returns the error that says who holds the object.
func (b *ballot) busy(ctx context.Context) error {
	b.mu.Lock()
	var ans answer
	side := b.arb
	for i := range b.votes {
		if v := &b.votes[i]; v.state == refused && (ans.holder == "" || i == b.arb) {
			ans, side = v.answer, i
		}
	}
	b.mu.Unlock()
	return b.n.e.sides[side].heldBy(ctx, ans)
}

// errQuarantine is among the reasons if some of the servers would vote later.
var (
	errQuarantine = errors.New("quarantined")
	errRepeat     = errors.New("the election must be repeated")
)

// noMajority returns the error that says why too few servers have answered.
func (b *ballot) noMajority() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	errs := []error{fmt.Errorf("%d of %d servers are needed", b.n.e.l.quorum, len(b.votes))}
	cure := ""
	for i := range b.votes {
		if v := &b.votes[i]; v.state == failed {
			errs = append(errs, fmt.Errorf("%s: %w", b.n.e.l.peers[i].addr, v.err))
			if errors.Is(v.err, errQuarantine) {
				cure = "a server that is new, or has lost its data, votes after the length of a lease, or after RedLock.Bootstrap"
			}
		}
	}
	return &TroubleError{NoMajority, cure, joined(errs)}
}

// joined joins errors in one line.
func joined(errs []error) error {
	text := make([]string, len(errs))
	for i, err := range errs {
		text[i] = err.Error()
	}
	return &joinedError{strings.Join(text, "; "), errs}
}

type joinedError struct {
	text string
	errs []error
}

func (e *joinedError) Error() string   { return e.text }
func (e *joinedError) Unwrap() []error { return e.errs }

// compareLimit tells the observer when somebody uses the semaphore with another
// limit, once for each that is seen.
func (e *elector) compareLimit(ctx context.Context, other int64) {
	if other == 0 || e.otherLimit.Swap(other) == other {
		return
	}
	e.l.engine.Observe(ctx, core.Event{
		Type: core.EventLimitMismatch, Kind: e.kind, Name: e.name,
		Err: errors.New("the limit is " + strconv.Itoa(e.limit) + " here and " + strconv.FormatInt(other, 10) + " elsewhere"),
	})
}
