package redis

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// owners tells others who this provider is, and finds out who they are. A token
// names only a provider; its owner is kept once, in prefix:i:inst, and not in
// every lock.
type owners struct {
	p *Provider

	mu      sync.Mutex
	due     time.Time // when to tell again; zero: not told yet
	known   map[string]core.Owner
	unknown map[string]time.Time // not to be asked about before then
}

func (o *owners) init(p *Provider) {
	o.p = p
	o.known = make(map[string]core.Owner)
	o.unknown = make(map[string]time.Time)
}

func (o *owners) key(inst string) string { return o.p.opts.Prefix + ":i:" + inst }

// life is how long the entry outlives its last refreshing. Whatever is sent for
// a hold or a waiter refreshes it, so it lives as long as they do.
func (o *owners) life() time.Duration {
	return max(5*time.Minute, 4*o.p.opts.Lease, 4*o.p.opts.WaitLease)
}

// entry returns a call that tells who we are, or nil if that is not due.
func (o *owners) entry() *call {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Before(o.due) {
		return nil
	}
	o.due = now.Add(o.life() / 3)
	value, err := json.Marshal(o.p.opts.Owner)
	if err != nil {
		return nil
	}
	key := o.key(o.p.inst)
	return o.p.plain(key, "set", key, value, "px", o.life().Milliseconds())
}

// introduce sends a call, and ahead of it, in the same pipeline, who we are if
// others may not know. Whoever finds our lock held can then find us.
func (o *owners) introduce(c *call) {
	entry := o.entry()
	if entry == nil {
		o.p.servers.send(c)
		return
	}
	o.p.servers.send(entry, c)
}

// refresh tells who we are if that is due.
func (o *owners) refresh() {
	if entry := o.entry(); entry != nil {
		o.p.servers.send(entry)
	}
}

// withdraw deletes the entry, when the provider is closed.
func (o *owners) withdraw() {
	o.mu.Lock()
	told := !o.due.IsZero()
	o.mu.Unlock()
	if told {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		key := o.key(o.p.inst)
		_ = o.p.call(ctx, o.p.plain(key, "del", key))
	}
}

// enough bounds what is remembered of others, and forget is for how long nothing
// is asked about one who was not found. In a cluster the entry may be on a master
// that is down while the lock is on another one: then nothing is asked for the time
// of unasked, for each question takes as long as askTime.
const (
	enough  = 1000
	forget  = 2 * time.Second
	unasked = 10 * time.Second
	askTime = time.Second
)

// recall returns the owner behind a provider's name, or an empty one, and whether
// that is all there is to know for now.
func (o *owners) recall(inst string) (owner core.Owner, all bool) {
	if inst == o.p.inst {
		return *o.p.opts.Owner, true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	owner, known := o.known[inst]
	again, unknown := o.unknown[inst]
	return owner, known || unknown && time.Now().Before(again)
}

// find is recall, but for one who is not known it asks, for no longer than askTime:
// nothing depends on it.
func (o *owners) find(ctx context.Context, inst string) core.Owner {
	owner, done := o.recall(inst)
	if done {
		return owner
	}
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	key := o.key(inst)
	c := o.p.plain(key, "get", key)
	err := o.p.call(limited, c)
	again := forget
	switch {
	case err == nil:
		value, _ := c.value.(string)
		err = json.Unmarshal([]byte(value), &owner)
	case errors.Is(err, goredis.Nil):
	case ctx.Err() != nil && time.Since(began) < askTime/2:
		return core.Owner{} // That says nothing of the server.
	default:
		again = unasked
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.known)+len(o.unknown) > enough {
		clear(o.known)
		clear(o.unknown)
	}
	if err != nil {
		o.unknown[inst] = time.Now().Add(again)
		return core.Owner{}
	}
	delete(o.unknown, inst)
	o.known[inst] = owner
	return owner
}
