package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// A receiver keeps the one subscription of a provider, to the provider's own
// channel. Messages are hints: each of them may be lost, late or repeated, and a
// poll makes up for it.
type receiver struct {
	p    *Provider
	ctx  context.Context // ends with close, which may be long after that of the provider has begun
	quit context.CancelFunc

	mu      sync.Mutex
	begun   bool
	closing bool
	alive   bool // the subscription is confirmed
	refused bool // but nobody may send messages
	told    bool // the observer knows of the polling mode
	sub     *goredis.PubSub
	timer   *time.Timer // of wanted
	done    chan struct{}

	sentProbe int64 // the number of the last probe that was sent
	sentAt    time.Time
	seenProbe int64 // the greatest that came back
	check     *time.Timer
}

// probeTime is how long a probe may take to come back, lasting how long a hold
// must last to be worth a subscription, leastPause the least that lies between two
// subscriptions, and denyTime how long one that was not permitted is not tried again.
const (
	probeTime  = time.Second
	lasting    = 200 * time.Millisecond
	leastPause = 20 * time.Millisecond
	denyTime   = 30 * time.Second
)

func (r *receiver) init(p *Provider) {
	r.p = p
	r.ctx, r.quit = context.WithCancel(context.Background())
	r.done = make(chan struct{})
}

// live reports whether messages come.
func (r *receiver) live() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.alive && !r.refused
}

// wanted starts the receiver soon, if something is held for that long: only a
// hold that lasts has anything to be told.
func (r *receiver) wanted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun || r.closing || r.timer != nil {
		return
	}
	r.timer = time.AfterFunc(lasting, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.timer = nil
		if !r.p.register.empty() {
			r.begin()
		}
	})
}

// begin starts the receiver, once. Its caller holds r.mu.
func (r *receiver) begin() {
	if !r.begun && !r.closing {
		r.begun = true
		go r.run()
	}
}

// start starts the receiver, and does not wait for it.
func (r *receiver) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin()
}

// close ends the receiver and waits for it.
func (r *receiver) close() {
	r.mu.Lock()
	r.closing = true
	begun := r.begun
	if r.timer != nil {
		r.timer.Stop()
	}
	if r.check != nil {
		r.check.Stop()
	}
	sub := r.sub
	r.mu.Unlock()
	r.quit()
	if sub != nil {
		_ = sub.Close()
	}
	if begun {
		<-r.done
	}
}

// run subscribes, again and again, until close. The pauses grow for as long as no
// subscription is confirmed, and the observer is told once that has lasted. One that
// is not permitted is likely to stay so.
func (r *receiver) run() {
	defer close(r.done)
	for pause := leastPause; ; {
		sub, err := r.subscribe()
		if sub == nil {
			return
		}
		if err == nil {
			var confirmed bool
			if confirmed, err = r.read(sub); confirmed {
				pause = leastPause
			}
		}
		_ = sub.Close()
		r.mu.Lock()
		replaced := r.sub != sub // That was told.
		r.alive, r.sub = false, nil
		over := r.closing
		r.mu.Unlock()
		switch {
		case over, replaced:
		case goredis.IsPermissionError(err):
			r.degraded(diagnose(err))
			pause = denyTime
		case pause > 100*time.Millisecond:
			r.degraded(diagnose(err))
		}
		_ = sleep(r.ctx, pause)
		most := time.Second
		if answered(err) {
			most = denyTime / 3
		}
		pause = min(2*pause, most)
	}
}

// subscribe returns a new subscription, or nil after close. The driver connects in
// the second call, and a server that says nothing keeps it there for as long as its
// timeouts are: nobody who asks whether messages come may have to wait for that.
func (r *receiver) subscribe() (*goredis.PubSub, error) {
	r.mu.Lock()
	if r.closing {
		r.mu.Unlock()
		return nil, nil
	}
	sub := r.p.servers.universal.Subscribe(r.ctx)
	r.sub = sub
	r.mu.Unlock()
	return sub, sub.Subscribe(r.ctx, r.p.channel(r.p.inst))
}

// read takes in messages until the subscription must be replaced, and reports why,
// and whether it was confirmed.
//
// After the end of a connection the driver connects and subscribes again by itself,
// which gets one chance. It does neither after an error that the server answered,
// and then waits for messages for ever.
func (r *receiver) read(sub *goredis.PubSub) (confirmed bool, err error) {
	limit := time.AfterFunc(r.p.opts.Timeout, func() { r.unconfirmed(sub) })
	defer limit.Stop()
	for chance := false; ; {
		// Receiving has no time limit and no context: its way to end is Close.
		msg, err := sub.Receive(context.Background())
		switch msg := msg.(type) {
		case *goredis.Subscription:
			if msg.Kind == "subscribe" {
				limit.Stop()
				r.confirmed(sub)
				confirmed, chance = true, true
			}
		case *goredis.Message:
			r.message(msg.Payload)
		}
		if err == nil {
			continue
		}
		r.mu.Lock()
		r.alive = false
		over := r.closing || r.sub != sub
		r.mu.Unlock()
		if over || !chance || answered(err) {
			return confirmed, err
		}
		chance = false
		limit.Reset(r.p.opts.Timeout)
		if sleep(r.ctx, leastPause) != nil {
			return confirmed, err
		}
	}
}

// unconfirmed replaces a subscription of which the server says nothing. What it was
// asked, or its answer, is lost, and nobody else would notice.
func (r *receiver) unconfirmed(sub *goredis.PubSub) {
	r.mu.Lock()
	current := r.sub == sub && !r.alive && !r.closing
	if current {
		r.sub = nil
	}
	r.mu.Unlock()
	if current {
		r.degraded(diagnose(errors.New("no answer to SUBSCRIBE")))
		_ = sub.Close()
	}
}

// confirmed takes in that messages come from now on. Those of the time before
// are lost, so every line asks where it stands.
func (r *receiver) confirmed(sub *goredis.PubSub) {
	r.mu.Lock()
	if r.sub != sub {
		r.mu.Unlock()
		return // It is being replaced.
	}
	r.alive = true
	recovered := r.told
	r.told = false
	r.mu.Unlock()
	if recovered {
		r.p.engine.Observe(context.Background(), core.Event{Type: core.EventRecovered})
	}
	r.p.lines.resync()
}

// degraded takes in that no messages come.
func (r *receiver) degraded(err error) {
	r.mu.Lock()
	first := !r.told
	r.told = true
	r.mu.Unlock()
	if first {
		r.p.engine.Observe(context.Background(), core.Event{Type: core.EventDegraded, Err: err})
	}
	r.p.lines.resync()
}

// message takes in one message: G for a grant, L for a hold that was broken, P
// for a probe. Any other one is from another version, or a forgery; it is passed
// over.
func (r *receiver) message(payload string) {
	f := strings.SplitN(payload, "|", 6)
	seq, err := strconv.ParseUint(field(f, 1), 36, 64)
	switch {
	case f[0] == "P":
		n, _ := strconv.ParseInt(field(f, 1), 10, 64)
		r.mu.Lock()
		r.seenProbe = max(r.seenProbe, n)
		r.mu.Unlock()
	case err != nil:
	case f[0] == "L":
		if h := r.p.register.find(seq); h != nil {
			h.bereave(errBroken)
		}
	case f[0] == "G" && len(f) == 6:
		fence, err := strconv.ParseUint(f[2], 10, 64)
		ms, err2 := strconv.ParseInt(f[3], 10, 64)
		term, err3 := strconv.ParseInt(f[4], 10, 64)
		if errors.Join(err, err2, err3) == nil && term > 0 && term <= longest.Milliseconds() {
			r.p.lines.arrived(seq, fence, ms, term, f[5])
		}
	}
}

func field(f []string, i int) string {
	if i < len(f) {
		return f[i]
	}
	return ""
}
