package redis

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// A node sends calls to one server. Calls that are made while others are under
// way travel together in one pipeline; a call that is alone leaves at once.
//
// Pipelines are carried out by goroutines of the node, because the driver does
// not return when a context is cancelled. Two wake-ups are what that costs, as
// much as the rest of a call on a fast network. A caller that cannot be
// interrupted carries its own call out, if nothing has to wait for that.
type node struct {
	client  *goredis.Client
	clock   serverClock
	timeout time.Duration
	silence time.Duration // after which the driver gives a silent server up; 0: when its context ends
	acks    int           // replicas to wait for, where a call says so
	ackTime time.Duration
	astray  func(context.Context, *call) bool // carries out what this server does not serve, or nil

	mu       sync.Mutex
	flights  int // pipelines that are out, but for those that are given up
	out      map[*flight]struct{}
	apart    int // pipelines that are sent apart
	window   window
	boarding bool        // one of them has not taken what is pending yet
	crowd    int         // how many calls the last one had
	pending  []*call     // in the order in which they came
	hurry    *time.Timer // set while some are, and none of the pipelines is about to take them
	closed   bool
	retired  bool
	idle     chan struct{} // to a goroutine that rests; closed with the node
	resting  int
	wg       sync.WaitGroup
}

func newNode(client *goredis.Client, opts *Options, silence time.Duration) *node {
	return &node{
		client: client, timeout: opts.Timeout, silence: silence, acks: opts.ReplicaAcks, ackTime: opts.ReplicaTimeout,
		idle: make(chan struct{}), window: window{size: fewFlights}, out: make(map[*flight]struct{}),
	}
}

// Three pipelines at a time let one fill while others are out. Where many call, two
// do: with more they would be shorter, and each costs the server a read, a write and
// the call of a script. Over a network where a round trip takes longer than
// patience, or when a connection hangs, more are sent, so a caller never waits for
// another one's round trip.
const (
	fewFlights  = 3
	mostFlights = 8
	fewCalls    = 3
	patience    = 500 * time.Microsecond
	maxBatch    = 256
)

// room reports whether one more pipeline may be sent at once. Its caller holds n.mu.
func (n *node) room() bool {
	if n.crowd > fewCalls {
		return n.flights < min(fewFlights-1, n.window.size)
	}
	return n.flights < min(fewFlights, n.window.size)
}

// slack is how much later than asked for a call may return in the goroutine of
// its caller: what has passed since the caller set its deadline, and no more.
const slack = 10 * time.Millisecond

// send carries the calls out, in their order if they leave together. It does not
// wait for them.
func (n *node) send(calls ...*call) {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		for _, c := range calls {
			c.err = errClosed
			c.finish(time.Time{})
		}
		return
	}
	came := time.Now()
	for _, c := range calls {
		c.came = came
	}
	n.pending = append(n.pending, calls...)
	switch {
	case n.boarding:
	case n.room():
		n.take()
	case len(n.pending) == len(calls):
		n.wake(patience)
	}
	n.mu.Unlock()
}

// wake has what is pending looked after by then. Its caller holds n.mu.
func (n *node) wake(in time.Duration) {
	if n.hurry == nil {
		n.hurry = time.AfterFunc(in, n.overdue)
	} else {
		n.hurry.Reset(in)
	}
}

// do is send for a caller that waits for the call and cannot be interrupted, but
// by a deadline.
func (n *node) do(ctx context.Context, c *call) {
	limit := n.timeout
	if at, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(at))
	}
	n.mu.Lock()
	lone := n.flights == 0 || n.crowd <= fewCalls && n.room()
	if n.closed || n.silence > limit+slack || !lone || len(n.pending) > 0 {
		n.mu.Unlock()
		n.send(c)
		return
	}
	n.flights++
	n.crowd = 1
	n.wg.Add(1)
	f := n.depart()
	n.mu.Unlock()
	defer n.wg.Done()
	n.carryOut([]*call{c}, limit)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.land(f)
	n.flights--
	if len(n.pending) > 0 && !n.boarding && n.flights < n.window.size {
		n.take()
	}
}

// overdue sends what no flight has come back for. If no more may be sent, it gives
// up what has waited for the timeout, so that every call ends within twice that.
func (n *node) overdue() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.giveUpHung()
	switch {
	case len(n.pending) == 0:
	case n.boarding:
		n.wake(patience) // It may leave some.
	case n.flights < n.window.size:
		n.take()
	default:
		now := time.Now()
		for len(n.pending) > 0 {
			c := n.pending[0]
			if left := n.timeout - now.Sub(c.came); left > 0 {
				n.wake(left)
				return
			}
			n.pending = n.pending[1:]
			c.err = errNoneBack
			c.finish(time.Time{})
		}
		n.pending = nil
	}
}

// errNoneBack is the error of a call that was never sent.
var errNoneBack = errors.New("no answer to any of the requests before it")

// take starts a flight for what is pending. Its caller holds n.mu.
func (n *node) take() {
	n.flights++
	n.boarding = true
	if !n.closed && !n.retired {
		select {
		case n.idle <- struct{}{}:
			n.resting--
			return
		default:
		}
	}
	n.wg.Go(n.fly)
}

// next takes a batch from what is pending. Its caller holds n.mu.
func (n *node) next() []*call {
	batch := n.pending
	n.pending = nil
	if len(batch) > maxBatch {
		n.pending = batch[maxBatch:]
		batch = batch[:maxBatch:maxBatch]
		n.wake(patience)
	}
	n.crowd = len(batch)
	return batch
}

// fly carries out what is pending, and then what has gathered meanwhile. With nothing
// to do it waits: a new goroutine would have to grow its stack in every call of the
// driver.
func (n *node) fly() {
	for more := true; more; {
		n.mu.Lock()
		n.boarding = true
		if n.crowd > 1 {
			n.mu.Unlock()
			runtime.Gosched() // Those whose calls came back are likely to make the next ones.
			n.mu.Lock()
		}
		n.boarding = false
		// One too many leaves what is pending to another one, which is out.
		if len(n.pending) > 0 && n.flights <= n.window.size {
			batch := n.next()
			f := n.depart()
			n.mu.Unlock()
			n.carryOut(batch, n.timeout)
			n.mu.Lock()
			n.land(f)
			n.mu.Unlock()
			continue
		}
		if len(n.pending) > 0 {
			n.wake(patience)
		}
		n.flights--
		over := n.closed || n.retired || n.resting == fewFlights
		if !over {
			n.resting++
		}
		n.mu.Unlock()
		if over {
			return
		}
		_, more = <-n.idle
	}
}

// sendApart carries out a batch that must neither wait for others nor make them
// wait.
func (n *node) sendApart(batch []*call) {
	n.mu.Lock()
	closed := n.closed
	if !closed {
		n.apart++
		n.wg.Go(func() {
			n.carryOut(batch, n.timeout)
			n.mu.Lock()
			n.apart--
			n.mu.Unlock()
		})
	}
	n.mu.Unlock()
	if closed {
		n.send(batch...)
	}
}

// retire has the goroutines of the node end whenever nothing is pending.
func (n *node) retire() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed && !n.retired {
		n.retired = true
		close(n.idle)
	}
}

// idles reports whether nothing is under way.
func (n *node) idles() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.flights == 0 && len(n.out) == 0 && n.apart == 0 && len(n.pending) == 0
}

// close has the goroutines of the node end when nothing is pending any more.
func (n *node) close() {
	n.mu.Lock()
	if !n.closed && !n.retired {
		close(n.idle)
	}
	n.closed = true
	if n.hurry != nil && len(n.pending) == 0 {
		n.hurry.Stop()
	}
	n.mu.Unlock()
}
