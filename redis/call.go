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
	form   form     // how it can be a part of a joint call
	token  *string  // then, instead of args: its token
	record *string  // and, of an acquire, its record
	parts  []*call  // that this one carries out jointly
	full   []any    // then: the whole command, to be filled in

	node     *node     // that it went to
	came     time.Time // when it began to wait for a pipeline
	sent     time.Time // before the request was written
	back     time.Time // after the reply was read
	until    string    // the last time at which to execute, if guard says that there is one
	cmd      command   // the command, if it was sent by itself
	value    any       // the reply
	err      error     // of the command
	repeated bool      // carried out in part before
	noted    bool      // the server's time in the reply has been taken in
	replicas int64     // that have what the call wrote, if acks
	acksErr  error
	done     chan struct{} // closed when the above is set

	// A call that is used again has one waiter at a time, and a channel of capacity
	// 1 that receives instead of being closed.
	reused  bool
	over    bool // the waiter has received
	patient bool // and waits for nothing else

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

// borrow is script for a call that its caller alone waits for, and gives back by
// reuse.
func (p *Provider) borrow(s *script, keys []string) *call {
	c, _ := p.calls.Get().(*call)
	if c == nil {
		c = &call{done: make(chan struct{}, 1), reused: true, closing: p.closing}
	}
	c.script, c.keys = s, keys
	return c
}

// reuse takes a call back that is done and of which nothing is needed any more.
func (p *Provider) reuse(c *call) {
	if c.over {
		*c = call{done: c.done, reused: true, closing: c.closing}
		p.calls.Put(c)
	}
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
	full, keys := c.full, 4*len(c.parts)
	if c.parts == nil {
		keys = len(c.keys)
		full = make([]any, scriptArgs, scriptArgs+keys+max(4, len(c.args)))
		full[2] = strconv.Itoa(keys)
		for _, k := range c.keys {
			full = append(full, k)
		}
		full = c.appendArgs(full)
	}
	full[0], full[1] = "evalsha", c.script.digest
	if source {
		full[0], full[1] = "eval", c.script.source
	}
	if c.guard > 0 {
		full[scriptArgs+keys+c.guard-1] = c.until
	}
	c.cmd = command{goredis.NewCmd(ctx, full...)}
	c.cmd.SetFirstKeyPos(scriptArgs)
	return c.cmd
}

func (c *call) appendArgs(full []any) []any {
	switch c.form {
	case alone:
		return append(full, c.args...)
	case gives:
		return append(full, *c.token)
	case tries:
		return append(full, *c.token, nil, "", *c.record)
	default:
		return append(full, *c.token, nil, newTicket, *c.record)
	}
}

// scriptArgs is how many arguments come before the keys: EVALSHA, the digest and the
// number of keys.
const scriptArgs = 3

// finish tells the one who waits that the call is done.
func (c *call) finish(back time.Time) {
	c.back = back
	if c.reused {
		c.done <- struct{}{}
	} else {
		close(c.done)
	}
}

// wait returns when the call is done, with its error, or when ctx ends; the call
// then goes on by itself.
func (c *call) wait(ctx context.Context) error {
	if c.patient && !c.over {
		<-c.done
		c.over = true
	}
	if c.isDone() {
		return c.err
	}
	if driver.Uninterrupted(ctx) {
		return c.waitOut(ctx)
	}
	select {
	case <-c.done:
		c.over = c.reused
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
		c.over = c.reused
		return c.err
	case <-late:
	case <-c.closing:
	}
	select {
	case <-c.done:
		c.over = c.reused
		return c.err
	case <-ctx.Done(): // Not that of a release, which Close lets go on.
		if c.isDone() {
			return c.err
		}
		return ctx.Err()
	}
}

func (c *call) isDone() bool {
	if c.over {
		return true
	}
	select {
	case <-c.done:
		c.over = c.reused
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
