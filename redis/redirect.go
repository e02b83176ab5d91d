package redis

import (
	"context"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// redirect sees to a call that a node of a cluster did not carry out because the
// slot has moved, or is on its way: the driver knows how to follow. After any
// other failure it makes the driver look at the cluster again.
func (s *servers) redirect(ctx context.Context, c *call) bool {
	_, moved := goredis.IsMovedError(c.err)
	_, ask := goredis.IsAskError(c.err)
	if !moved && !ask && !underWay(c.err) {
		if !answered(c.err) || goredis.IsReadOnlyError(c.err) {
			s.cluster.ReloadState(ctx)
		}
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Go(func() {
		if moved {
			s.cluster.ReloadState(ctx)
		}
		s.follow(c)
		c.finish(time.Now())
	})
	return true
}

// follow sends one call by way of the cluster client. That asks one node after
// the other for as long as they send it elsewhere. It has no way to ask a node for
// two things at once, so a call that waits for replicas is followed by trace.
func (s *servers) follow(c *call) {
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.Timeout)
	defer cancel()
	from := c.node.client
	c.node = new(node) // Another one answers, by its own clock.
	if c.acks {
		s.trace(ctx, c, from)
		return
	}
	for {
		c.repeated = c.repeated || torn(c.err)
		c.err = s.cluster.Process(ctx, c.prepare(ctx, false))
		if c.err != nil && goredis.HasErrorPrefix(c.err, "NOSCRIPT") {
			c.err = s.cluster.Process(ctx, c.prepare(ctx, true))
		}
		if c.value = c.cmd.Val(); !underWay(c.err) || pause(ctx) {
			return
		}
	}
}

// trace sends one call to the node that its error names, and from there on, with
// WAIT behind it on the connection that has written. from is the client that gave
// the error.
func (s *servers) trace(ctx context.Context, c *call, from *goredis.Client) {
	addr, moving := from.Options().Addr, false
	for hops := 0; ; hops++ {
		c.repeated = c.repeated || torn(c.err)
		if to, moved := goredis.IsMovedError(c.err); moved {
			addr, moving = to, false
		} else if to, ask := goredis.IsAskError(c.err); ask {
			addr, moving = to, true
		} else if !underWay(c.err) {
			return
		}
		// Some of the keys have moved and some have not, but soon all will have; or the
		// nodes do not agree yet.
		if (underWay(c.err) || hops > 3) && pause(ctx) {
			return
		}
		client, done := s.reach(ctx, addr, from)
		for _, source := range []bool{false, true} {
			c.err = c.ask(ctx, client, moving, source, s.opts)
			if c.err == nil || !goredis.HasErrorPrefix(c.err, "NOSCRIPT") {
				break
			}
		}
		c.value = c.cmd.Val()
		done()
	}
}

// ask sends the call and WAIT in one go, as one for a slot that is on its way to
// that node if moving says so.
func (c *call) ask(ctx context.Context, client *goredis.Client, moving, source bool, o *Options) error {
	pipe := client.Pipeline()
	if moving {
		_ = pipe.Process(ctx, command{goredis.NewCmd(ctx, "asking")})
	}
	_ = pipe.Process(ctx, c.prepare(ctx, source))
	replicas := goredis.NewIntCmd(ctx, "wait", o.ReplicaAcks, o.ReplicaTimeout.Milliseconds())
	_ = pipe.Process(ctx, replicas)
	_, err := pipe.Exec(ctx)
	c.replicas, c.acksErr = replicas.Result()
	if c.cmd.Err() == nil && c.cmd.Val() == nil {
		return err // There was no connection.
	}
	return c.cmd.Err()
}

// reach returns a client of the node with that address, and what to call in the
// end. A node to which the first slot moves is no master that the driver knows: it
// gets a client like another one's.
func (s *servers) reach(ctx context.Context, addr string, like *goredis.Client) (*goredis.Client, func()) {
	masters, _ := s.masters(ctx)
	for _, c := range append(masters, like) {
		if c.Options().Addr == addr {
			return c, func() {}
		}
	}
	o := *like.Options()
	o.Addr, o.MaxRetries, o.MinIdleConns, o.PoolSize = addr, -1, 0, 1
	for _, limit := range []*time.Duration{&o.ReadTimeout, &o.WriteTimeout} {
		if *limit == 0 {
			*limit = -1 // None: that is how the driver is told.
		}
	}
	c := goredis.NewClient(&o)
	return c, func() { _ = c.Close() }
}

// pause lets a little time pass, and reports whether ctx has ended.
func pause(ctx context.Context) (over bool) { return sleep(ctx, 20*time.Millisecond) != nil }

// underWay reports whether a call failed because the keys of its slot are being
// moved one by one to another node.
func underWay(err error) bool { return err != nil && (goredis.IsTryAgainError(err) || torn(err)) }

// torn reports whether a script ended in its middle: when it removes a key of a
// slot that is being moved, the server takes the key for one that has moved
// already, and lets the script go no further. Sent once more, the script does
// the rest, but may find that its own work has been done.
func torn(err error) bool { return err != nil && strings.Contains(err.Error(), "non local key") }
