package redis

import (
	"context"
	"errors"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// probe returns the number that a poll shall send to our own channel, or "" if
// that is not due. The driver pings a silent connection, but does not look for
// the answer: only a message that went all the way proves that messages come.
func (r *receiver) probe() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.alive || r.sentProbe > r.seenProbe && time.Since(r.sentAt) < probeTime {
		return ""
	}
	r.sentProbe++
	r.sentAt = time.Now()
	return strconv.FormatInt(r.sentProbe, 10)
}

// probed takes in how many the server says it sent the probe to.
func (r *receiver) probed(receivers int64) {
	r.mu.Lock()
	sub, n := r.sub, r.sentProbe
	if receivers >= 0 && r.refused {
		r.refused, r.told = false, false
		defer r.p.engine.Observe(context.Background(), core.Event{Type: core.EventRecovered})
	}
	switch {
	case receivers == -1 || r.closing: // There was none.
	case receivers == -2:
		r.refused = true
		r.mu.Unlock()
		r.degraded(&TroubleError{NoPermission, "grant publish and the channels that the package documentation lists (see ACL)", errors.New("PUBLISH is refused")})
		return
	case receivers == 0 && r.p.servers.cluster == nil:
		// After a failover the subscription may have stayed with the old master.
		// That passes messages on, but we do not count as listening.
		r.mu.Unlock()
		r.replace(sub, errors.New("the server that answers has no subscription of ours"))
		return
	default:
		if r.check != nil {
			r.check.Stop()
		}
		r.check = time.AfterFunc(probeTime, func() { r.expect(sub, n) })
	}
	r.mu.Unlock()
}

// expect replaces the subscription if the probe has not come back by now.
func (r *receiver) expect(sub *goredis.PubSub, n int64) {
	r.mu.Lock()
	arrived := r.seenProbe >= n
	r.mu.Unlock()
	if !arrived {
		r.replace(sub, errors.New("a message to ourselves did not arrive"))
	}
}

// replace closes a subscription that is not to be trusted; run makes a new one.
func (r *receiver) replace(sub *goredis.PubSub, why error) {
	r.mu.Lock()
	current := sub != nil && r.sub == sub && !r.closing
	if current {
		r.sub, r.alive = nil, false
		r.seenProbe = r.sentProbe
	}
	r.mu.Unlock()
	if current {
		r.p.engine.Observe(context.Background(), core.Event{Type: core.EventProbeFailed, Err: why})
		_ = sub.Close()
	}
}
