package redis

import (
	"context"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core/driver"
)

// A call is one script, or one plain command, on its way to a server and back.
// Its fields are set before done is closed and never after.
type call struct {
	script *script
	keys   []string // of the script; the first one routes it
	args   []any    // of the script, or the whole plain command
	key    string   // routes a plain command
	guard  int      // 1 + the index in args of the last time at which to execute; 0: none
	acks   bool     // wait for replicas on the same connection
	parts  []*call  // that this one carries out jointly

	node     *node     // that it went to
	sent     time.Time // before the request was written
	back     time.Time // after the reply was read
	cmd      command   // the command, if it was sent by itself
	value    any       // the reply
	err      error     // of the command
	repeated bool      // carried out in part before
	replicas int64     // that have what the call wrote, if acks
	acksErr  error
	done     chan struct{} // closed when the above is set

	closing <-chan struct{} // closed when the provider is
}

// A command is never sent again by the driver: a script that was carried out
// twice would say so in its second reply only, and this package sends again by
// itself what may be sent again.
type command struct{ *goredis.Cmd }

// NoRetry overrides that of the driver's command.
func (command) NoRetry() bool { return true }

func (p *Provider) script(s *script, keys []string, args ...any) *call {
	return &call{script: s, keys: keys, args: args, done: make(chan struct{}), closing: p.closing}
}

func (p *Provider) plain(key string, args ...any) *call {
	return &call{key: key, args: args, done: make(chan struct{}), closing: p.closing}
}

// route returns the key by which a cluster finds the node.
func (c *call) route() string {
	if c.script != nil {
		return c.keys[0]
	}
	return c.key
}

// prepare makes the command, by digest or with the source.
func (c *call) prepare(ctx context.Context, source bool) command {
	if c.script == nil {
		c.cmd = command{goredis.NewCmd(ctx, c.args...)}
		return c.cmd
	}
	full := make([]any, 0, 3+len(c.keys)+len(c.args))
	if source {
		full = append(full, "eval", c.script.source)
	} else {
		full = append(full, "evalsha", c.script.digest)
	}
	full = append(full, strconv.Itoa(len(c.keys)))
	for _, k := range c.keys {
		full = append(full, k)
	}
	c.cmd = command{goredis.NewCmd(ctx, append(full, c.args...)...)}
	c.cmd.SetFirstKeyPos(3)
	return c.cmd
}

// wait returns when the call is done, with its error, or when ctx ends; the call
// then goes on by itself.
func (c *call) wait(ctx context.Context) error {
	if c.isDone() {
		return c.err
	}
	if driver.Uninterrupted(ctx) {
		return c.waitOut(ctx)
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		if c.isDone() {
			return c.err
		}
		return ctx.Err()
	}
}

// waitOut is wait for a context that ends at its deadline or when Close begins,
// if at all. To ask it for a channel would cost more than the rest of the call.
func (c *call) waitOut(ctx context.Context) error {
	var late <-chan time.Time
	if at, ok := ctx.Deadline(); ok {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-c.done:
		return c.err
	case <-late:
	case <-c.closing:
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done(): // Not that of a release, which Close lets go on.
		if c.isDone() {
			return c.err
		}
		return ctx.Err()
	}
}

func (c *call) isDone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// reply returns the answer of a script that answers with an array.
func (c *call) reply() reply {
	r, _ := c.value.([]any)
	return r
}

// number returns the answer of a script that answers with a number.
func (c *call) number() int64 {
	n, _ := c.value.(int64)
	return n
}

// verdict returns the answer of an acquire script. A grant that was made by the
// server's clock comes as that number alone, because most are.
func verdict(answer any) reply {
	if fence, short := answer.(int64); short {
		return reply{int64(1), fence, fence / 1000, int64(0)}
	}
	r, _ := answer.([]any)
	return r
}

// A reply is an array from a script. What is missing reads as zero.
type reply []any

func (r reply) number(i int) int64 {
	if i < len(r) {
		switch v := r[i].(type) {
		case int64:
			return v
		case string:
			n, _ := strconv.ParseInt(v, 10, 64)
			return n
		}
	}
	return 0
}

func (r reply) text(i int) string {
	if i < len(r) {
		s, _ := r[i].(string)
		return s
	}
	return ""
}

func (r reply) list(i int) reply {
	if i < len(r) {
		l, _ := r[i].([]any)
		return l
	}
	return nil
}
