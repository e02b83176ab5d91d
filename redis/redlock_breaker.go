package redis

import (
	"context"
	"errors"
	"time"
)

// A breaker keeps callers from waiting for a server that does not answer: it opens
// when the server is late twice in a row, or refuses, and closes with its next
// answer, which a probe brings about.

// How long a server has to answer: a few of its round trips, and at least long
// enough for a pause of the runtime or of the scheduler. A server that was never
// heard of must be dialled first.
const (
	leastPatience = 100 * time.Millisecond
	firstPatience = 500 * time.Millisecond
	probePause    = 300 * time.Millisecond
	mostPause     = time.Second
	watchPause    = 200 * time.Millisecond
)

// patience returns how long to wait for an answer before going on without it.
func (x *peer) patience() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	d := firstPatience
	if x.trip > 0 {
		d = max(leastPatience, 4*x.longTrip())
	}
	return min(d<<min(x.misses, 3), x.l.opts.Lease/4, x.l.opts.Timeout)
}

// roundTrip returns how long an answer takes, at most, as a rule.
func (x *peer) roundTrip() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.longTrip()
}

// longTrip is roundTrip. Its caller holds x.mu.
func (x *peer) longTrip() time.Duration { return x.trip + 2*x.spread }

// shortly returns about the time in which a message that was sent to all servers
// has reached the slowest.
func (x *peer) shortly() time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return min(max(x.trip/4, time.Millisecond), 50*time.Millisecond)
}

// answered takes in that the server has answered.
func (x *peer) answered(took time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.trip == 0 {
		x.trip, x.spread = took, took/2
	} else {
		x.spread += (max(took-x.trip, x.trip-took) - x.spread) / 4
		x.trip += (took - x.trip) / 8
	}
	x.heard, x.misses, x.trouble = time.Now(), 0, nil
	if x.down {
		x.down = false
		x.fallen = make(chan struct{})
	}
}

// missed takes in that the server has not answered, in time or at all. One that is
// late once may be busy; one that is late twice, or refuses, is down.
func (x *peer) missed(err error, late bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.misses++
	x.trouble = err
	if !x.down && (!late || x.misses > 1) {
		x.down = true
		close(x.fallen)
	}
	if x.down && !x.probing {
		x.probing = true
		x.l.background.Go(x.probe)
	}
}

// up reports whether the breaker is closed.
func (x *peer) up() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.down
}

// falls returns a channel that is closed when the server goes down.
func (x *peer) falls() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.fallen
}

func (x *peer) lastTrouble() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.trouble == nil {
		return errors.New("it did not answer in time")
	}
	return x.trouble
}

// probe asks a server that is down whether it is up again, until it is. Only this
// waits for it: the breaker closes when there is an answer, and not before.
//
// Each question that is not answered costs a connection, so the next one is not
// asked before a while, but the answer to the last one is waited for again.
func (x *peer) probe() {
	pause := probePause
	var ping *call
	var asked time.Time
	for sleep(x.l.engine.Context(), pause) == nil {
		if ping == nil || time.Since(asked) > mostPause {
			ping, asked = x.ask(), time.Now()
		}
		err := x.hear(ping)
		if err == nil {
			break
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			ping = nil // It is over.
		}
		pause = min(2*pause, mostPause)
	}
	x.mu.Lock()
	x.probing = false
	again := x.down && x.l.engine.Context().Err() == nil
	x.probing = again
	x.mu.Unlock()
	if again {
		x.probe()
	}
}

// ask sends a question whose answer hear waits for.
func (x *peer) ask() *call {
	ping := x.p.plain("", "ping")
	x.p.servers.sendApart([]*call{ping})
	return ping
}

// hear waits for the answer, for as long as one may take.
func (x *peer) hear(ping *call) error {
	ctx, cancel := context.WithTimeout(x.l.engine.Context(), x.patience())
	defer cancel()
	err := ping.wait(ctx)
	if err == nil {
		x.answered(ping.back.Sub(ping.sent))
	}
	return err
}

// stand counts a waiter into the server's queue. A server that freezes sends
// nothing, so while somebody waits it is asked now and then, unless it was heard
// of anyway, once for all waiters of this process.
func (x *peer) stand() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.standing++
	if !x.watching {
		x.watching = true
		x.l.background.Go(x.watch)
	}
}

func (x *peer) unstand() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.standing--
}

func (x *peer) watch() {
	for {
		over := sleep(x.l.engine.Context(), watchPause) != nil
		x.mu.Lock()
		if over || x.standing == 0 {
			x.watching = false
			x.mu.Unlock()
			return
		}
		quiet := !x.down && time.Since(x.heard) >= watchPause
		x.mu.Unlock()
		if !quiet {
			continue
		}
		if err := x.hear(x.ask()); err != nil && x.l.engine.Context().Err() == nil {
			x.missed(err, errors.Is(err, context.DeadlineExceeded))
		}
	}
}
