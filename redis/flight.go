package redis

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core/driver"
)

// carryOut sends a batch and takes in the replies.
func (n *node) carryOut(batch []*call, limit time.Duration) {
	ctx, cancel := driver.WithTimeout(context.Background(), limit)
	defer cancel()
	sent := time.Now()
	out := n.join(batch)
	n.sign(batch, sent)
	n.sign(out, sent)
	n.deliver(ctx, out)
	back := time.Now()
	var again []*call
	for _, c := range out {
		if c.parts != nil {
			c.back = back
			again = append(again, c.deal()...)
		}
	}
	if len(again) > 0 {
		n.deliver(ctx, again)
		back = time.Now()
	}
	n.heed(out, sent, limit)
	for _, c := range batch {
		if c.err != nil {
			c.err = c.lackingRight(c.err)
			if n.astray != nil && n.astray(ctx, c) {
				continue
			}
		}
		c.finish(back)
	}
}

// heed takes in whether the server has answered what was sent at that time. If it
// had little time for that, because of its caller, that it has not means nothing.
func (n *node) heed(out []*call, sent time.Time, limit time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range out {
		if c.err == nil || answered(c.err) {
			n.window.answered()
			return
		}
	}
	if limit > n.timeout/2 {
		n.window.lost(sent)
	}
}

// sign notes when calls were sent, which may be later but not earlier, and by
// when the server must see to them.
func (n *node) sign(calls []*call, sent time.Time) {
	limit := ""
	for _, c := range calls {
		c.node, c.sent = n, sent
		if c.guard > 0 {
			if limit == "" {
				limit = n.clock.until(sent.Add(n.timeout))
			}
			c.until = limit
		}
	}
}

// deliver sends calls and sets what came of them. A script that the server does
// not know is sent once more with its source: it was not carried out.
func (n *node) deliver(ctx context.Context, calls []*call) {
	n.exec(ctx, calls, false)
	var unknown []*call
	for _, c := range calls {
		if c.script != nil && c.err != nil && goredis.HasErrorPrefix(c.err, "NOSCRIPT") {
			unknown = append(unknown, c)
		}
	}
	if len(unknown) > 0 {
		n.exec(ctx, unknown, true)
	}
}

// exec sends the commands as one pipeline, or a single one as it is, and sets
// their errors. With sources, the scripts are loaded along the way: a server may
// forget one that it got by EVAL alone.
func (n *node) exec(ctx context.Context, batch []*call, sources bool) {
	if len(batch) == 1 && !sources && !batch[0].acks {
		c := batch[0]
		c.err = n.client.Process(ctx, c.prepare(ctx, false))
		c.value = c.cmd.Val()
		return
	}
	pipe := n.client.Pipeline()
	var loaded map[*script]bool
	var replicas *goredis.IntCmd
	for _, c := range batch {
		if sources && !loaded[c.script] {
			if loaded == nil {
				loaded = make(map[*script]bool)
			}
			loaded[c.script] = true
			_ = pipe.Process(ctx, command{goredis.NewCmd(ctx, "script", "load", c.script.source)})
		}
		_ = pipe.Process(ctx, c.prepare(ctx, sources))
		if c.acks && replicas == nil {
			replicas = goredis.NewIntCmd(ctx, "wait", n.acks, n.ackTime.Milliseconds())
		}
	}
	if replicas != nil {
		// WAIT speaks of what this connection has written, so it comes last, and
		// once for all.
		_ = pipe.Process(ctx, replicas)
	}
	_, err := pipe.Exec(ctx)
	for _, c := range batch {
		c.value, c.err = c.cmd.Val(), c.cmd.Err()
		if c.err == nil && c.value == nil && err != nil {
			c.err = err // There was no connection: it could not be had, or the login was refused.
		}
		if c.acks && c.err == nil {
			c.replicas, c.acksErr = replicas.Result()
		}
	}
}

// answered reports whether err is an answer of the server, rather than the lack
// of one.
func answered(err error) bool {
	var answer goredis.Error
	return errors.As(err, &answer)
}
