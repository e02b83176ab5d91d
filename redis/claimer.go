package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A claimer takes one object in one mode.
type claimer struct {
	p     *Provider
	kind  core.Kind
	name  string
	keys  keys
	mode  byte // 'w': alone; 'r': with others
	limit int
	*family

	otherLimit atomic.Int64 // of the semaphore, that the observer was told of last
}

var _ driver.Queuer = (*claimer)(nil)

func (p *Provider) claimer(kind core.Kind, name string, mode byte, limit int) *claimer {
	c := &claimer{p: p, kind: kind, name: name, mode: mode, limit: limit, family: p.shared}
	switch {
	case kind == core.KindLock:
		c.family = p.lock
	case kind == core.KindSemaphore && p.slots != nil:
		c.family = p.slots
	}
	c.keys = p.keys(kind, name)
	return c
}

// An attempt is one acquire. Its token is its identity at the server: whatever
// is sent for it, however often, concerns this attempt alone.
type attempt struct {
	seq    uint64
	token  string // inst|seq
	record string // in the queue: inst|seq|mode|limit|push
	push   bool   // the process listens

	patient bool // its calls are waited for until they are done
}

func (c *claimer) attempt(push bool) attempt { return c.attemptOf(c.p.seq.Add(1), push) }

func (c *claimer) attemptOf(seq uint64, push bool) attempt {
	b := append(make([]byte, 0, 64), c.p.inst...)
	b = strconv.AppendUint(append(b, '|'), seq, 36)
	token := len(b)
	b = strconv.AppendInt(append(b, '|', c.mode, '|'), int64(c.limit), 10)
	if push {
		b = append(b, "|1"...)
	} else {
		b = append(b, "|0"...)
	}
	record := string(b)
	return attempt{seq: seq, token: record[:token], record: record, push: push}
}

// An answer is what the acquire script said.
type answer struct {
	call    *call
	granted bool
	fence   uint64
	now     int64 // the server's time, ms

	// If it is held elsewhere:
	left   time.Duration // until a holder's lease ends; negative: never, or nobody holds
	ticket int64         // in the queue, if the attempt queues
	rank   int64
	holder string
	since  uint64 // the holder's fencing token
}

// Claim implements driver.Claimer.
func (c *claimer) Claim(ctx context.Context) (driver.Claim, error) {
	a := c.attempt(false)
	if a.patient = c.p.patient(ctx); !a.patient {
		closing, stop := c.p.engine.UntilClosed(ctx)
		defer stop()
		ctx = closing
	}
	ans, err := c.ask(ctx, &a, "")
	if err != nil {
		return nil, err
	}
	defer c.p.reuse(ans.call)
	if ans.granted {
		return c.hold(&a, ans)
	}
	return nil, c.heldBy(ctx, ans)
}

// ask sends an attempt, with a ticket to queue if it is held elsewhere. If it
// fails, or ctx ends, whatever the attempt has taken or will take is on its way
// to being given back.
func (c *claimer) ask(ctx context.Context, a *attempt, ticket string) (answer, error) {
	queued := ticket != "" && ticket != newTicket // by an earlier request
	leave := func() {
		back := *a
		c.p.engine.GiveBack(func(ctx context.Context) error { return c.takeBack(ctx, back) })
	}
	for tries := 0; ; tries++ {
		call := c.send(ctx, a, ticket)
		if err := call.wait(ctx); err != nil {
			switch {
			case over(ctx, err) || open(err):
				c.abandon(*a, call, queued)
			case queued: // This request has done nothing.
				leave()
			}
			if over(ctx, err) {
				return answer{}, err
			}
			return answer{}, diagnose(err)
		}
		if fence, ok := call.value.(int64); ok {
			if !call.noted {
				call.node.clock.note(call, fence/1000)
			}
			return answer{call: call, granted: true, fence: uint64(fence), now: fence / 1000}, nil
		}
		r := call.reply()
		ans := answer{call: call, granted: r.number(0) == 1, now: r.number(2)}
		if !call.noted {
			call.node.clock.note(call, ans.now)
		}
		switch r.number(0) {
		case 1:
			ans.fence = uint64(r.number(1))
			c.compareLimit(ctx, r.number(3))
			return ans, nil
		case 0:
			ans.left = time.Duration(r.number(1)) * time.Millisecond
			ans.ticket, ans.rank = r.number(3), r.number(4)
			ans.holder, ans.since = r.text(5), uint64(r.number(6))
			c.compareLimit(ctx, r.number(7))
			return ans, nil
		}
		// The server's clock has moved since its last reply, or this request was
		// under way for long. That reply is news of its clock: once more.
		if tries == 2 {
			if queued {
				leave()
			}
			return answer{}, &TroubleError{Unreachable, "", fmt.Errorf("a request reached the server more than %v late, three times", c.p.opts.Timeout)}
		}
	}
}

func (c *claimer) send(ctx context.Context, a *attempt, ticket string) *call {
	call := c.p.borrow(c.acquire, c.keys[:])
	call.guard = 2
	call.acks = c.p.opts.ReplicaAcks > 0
	call.patient = a.patient
	switch {
	case c.family == c.p.shared:
		call.args = []any{a.token, nil, ticket, a.record, string(c.mode), strconv.Itoa(c.limit)}
	case ticket == "" && !call.acks:
		call.form, call.token, call.record = tries, &a.token, &a.record
	case ticket == newTicket && !call.acks:
		call.form, call.token, call.record = deaf, &a.token, &a.record
		if a.push {
			call.form = listens
		}
	default:
		call.args = []any{a.token, nil, ticket, a.record}
	}
	if entry := c.p.owners.entry(); entry != nil {
		c.p.servers.send(entry, call)
	} else {
		c.p.servers.do(ctx, call)
	}
	return call
}

// newTicket is the ticket of those that have none yet.
const newTicket = "0"

// abandon takes an attempt back whose outcome is not known, or no longer wanted.
//
// The cancellation may overtake the attempt: a server that froze executes what
// it has received from its connections in any order. So the first one goes out
// as soon as the call has ended, and if that was without an answer a second one
// when the server has begun to refuse the attempt because of its age. What an
// earlier request has queued is taken back whatever comes of this one.
func (c *claimer) abandon(a attempt, call *call, queued bool) {
	early := true
	c.p.engine.GiveBack(func(ctx context.Context) error {
		if err := call.wait(ctx); err != nil && over(ctx, err) {
			return err
		}
		refused := call.err != nil && !open(call.err) || call.err == nil && call.reply().number(0) < 0
		if refused && !queued {
			return nil
		}
		if err := c.takeBack(ctx, a); err != nil || refused || call.err == nil {
			return err
		}
		if early {
			late := time.NewTimer(time.Until(call.sent.Add(c.p.opts.Timeout + 50*time.Millisecond)))
			defer late.Stop()
			select {
			case <-late.C:
				early = false
			case <-ctx.Done():
				return ctx.Err()
			}
			return c.takeBack(ctx, a)
		}
		return nil
	})
}

// takeBack cancels an attempt at the server.
func (c *claimer) takeBack(ctx context.Context, a attempt) error {
	args := []any{a.token, a.record}
	if c.family == c.p.shared {
		args = append(args, string(c.mode))
	}
	return c.p.call(ctx, c.p.script(c.cancel, c.keys[:], args...))
}

// inst returns the provider that holds the object, if it is one of ours.
func (a answer) inst() (inst string, ours bool) {
	inst, _, ours = strings.Cut(a.holder, "|")
	return inst, ours
}

// heldBy makes the error that says who holds the object, which may have to be asked
// for.
func (c *claimer) heldBy(ctx context.Context, ans answer) error {
	if inst, ours := ans.inst(); ours {
		return c.held(ans, c.p.owners.find(ctx, inst))
	}
	return c.held(ans, core.Owner{})
}

// held is heldBy for an owner that has been found.
func (c *claimer) held(ans answer, owner core.Owner) error {
	if ans.holder == "" {
		return core.ErrNotAcquired // Free, but others are first in the queue.
	}
	if _, ours := ans.inst(); !ours {
		return &core.HeldError{Holder: core.Holder{}} // Somebody else's SET NX.
	}
	h := core.Holder{Owner: owner, Shared: c.kind == core.KindRWLock && c.mode == 'r', Token: ans.since}
	h.Since = time.UnixMicro(int64(ans.since))
	if ans.left > 0 {
		h.Until = time.UnixMilli(ans.now).Add(ans.left)
	}
	return &core.HeldError{Holder: h}
}

// compareLimit tells the observer when somebody uses the semaphore with another
// limit, once for each that is seen.
func (c *claimer) compareLimit(ctx context.Context, other int64) {
	if other == 0 || c.otherLimit.Swap(other) == other {
		return
	}
	c.p.engine.Observe(ctx, core.Event{
		Type: core.EventLimitMismatch, Kind: c.kind, Name: c.name,
		Err: fmt.Errorf("the limit is %d here and %d elsewhere", c.limit, other),
	})
}
