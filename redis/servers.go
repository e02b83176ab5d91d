package redis

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core/driver"
)

// servers finds the node for a call: the only one, or in a cluster the master of
// the slot of its keys.
type servers struct {
	universal goredis.UniversalClient
	cluster   *goredis.ClusterClient // nil: there is one node
	opts      *Options

	mu     sync.Mutex
	nodes  map[*goredis.Client]*node
	former []*node // of servers that are no masters any more
	closed bool
	wg     sync.WaitGroup
}

func newServers(client goredis.UniversalClient, opts *Options) (*servers, error) {
	s := &servers{universal: client, opts: opts, nodes: make(map[*goredis.Client]*node)}
	switch c := client.(type) {
	case *goredis.Client:
		if c == nil {
			return nil, invalid("the client is nil")
		}
		s.node(c)
	case *goredis.ClusterClient:
		if c == nil {
			return nil, invalid("the client is nil")
		}
		s.cluster = c
	case *goredis.Ring:
		return nil, invalid("a redis.Ring cannot be used: when a shard fails it moves its keys to others, and a lock with them; use a Client, a ClusterClient, or a failover client")
	case nil:
		return nil, invalid("the client is nil")
	default:
		return nil, invalid("a %T cannot be used; pass a *redis.Client or *redis.ClusterClient", client)
	}
	return s, nil
}

// node returns the one that sends to client, and whether it is new.
func (s *servers) node(client *goredis.Client) (n *node, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = s.nodes[client]
	if n == nil {
		n, fresh = newNode(client, s.opts, s.silence()), true
		n.closed = s.closed
		if s.cluster != nil {
			n.astray = s.redirect
		}
		s.nodes[client] = n
	}
	return n, fresh
}

// survey retires the nodes of servers that are no masters any more. It is called
// when there is a new one: a cluster that goes on changing its masters would have
// them all kept.
func (s *servers) survey(ctx context.Context) {
	var mu sync.Mutex
	masters := make(map[*goredis.Client]bool)
	err := s.cluster.ForEachMaster(ctx, func(_ context.Context, c *goredis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		masters[c] = true
		return nil
	})
	if err == nil {
		s.retire(masters)
	}
}

// retire forgets the nodes of all but these. Who has got one just before may still
// send by it.
func (s *servers) retire(but map[*goredis.Client]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.former = slices.DeleteFunc(s.former, (*node).idles)
	for client, n := range s.nodes {
		if !but[client] {
			delete(s.nodes, client)
			n.retire()
			s.former = append(s.former, n)
		}
	}
}

// only returns the one node that there is, if there is one.
func (s *servers) only() *node {
	if s.cluster != nil {
		return nil
	}
	client, _ := s.universal.(*goredis.Client)
	n, _ := s.node(client)
	return n
}

// silence returns after which time the driver gives a silent server up; 0: when the
// context of a call ends.
func (s *servers) silence() time.Duration {
	limit, byContext := s.limits()
	switch {
	case byContext:
		return 0
	case limit <= 0:
		return 1<<63 - 1 // It never does.
	}
	return limit
}

// limits returns after which time the driver gives up to read or to write, or 0 if it
// never does, and whether it also does when a context ends.
func (s *servers) limits() (limit time.Duration, byContext bool) {
	var read, write time.Duration
	switch c := s.universal.(type) {
	case *goredis.ClusterClient:
		o := c.Options()
		read, write, byContext = o.ReadTimeout, o.WriteTimeout, o.ContextTimeoutEnabled
	case *goredis.Client:
		o := c.Options()
		read, write, byContext = o.ReadTimeout, o.WriteTimeout, o.ContextTimeoutEnabled
	}
	if read <= 0 || write <= 0 {
		return 0, byContext
	}
	return max(read, write), byContext
}

// send carries the calls out and does not wait for them. Nothing that it does
// can block its caller: finding a node of a cluster may take a dial.
func (s *servers) send(calls ...*call) {
	if s.cluster == nil {
		s.only().send(calls...)
		return
	}
	s.route(calls, (*node).send)
}

// do is send for a caller that waits for the call next, with that context. If
// nobody can interrupt it there, the call is done when do returns, or on its way
// through the cluster.
func (s *servers) do(ctx context.Context, c *call) {
	if s.cluster == nil && driver.Uninterrupted(ctx) {
		s.only().do(ctx, c)
		return
	}
	s.send(c)
}

// sendApart is send for a batch of renewals.
func (s *servers) sendApart(calls []*call) {
	apart := func(n *node, calls ...*call) { n.sendApart(calls) }
	if s.cluster == nil {
		s.only().sendApart(calls)
		return
	}
	s.route(calls, apart)
}

func (s *servers) route(calls []*call, send func(*node, ...*call)) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		for _, c := range calls {
			c.err = errClosed
			c.finish(time.Time{})
		}
		return
	}
	s.wg.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.opts.Timeout)
		defer cancel()
		byNode, news := make(map[*node][]*call), false
		for _, c := range calls {
			client, err := s.cluster.MasterForKey(ctx, c.route())
			if err != nil {
				c.sent, c.err = time.Now(), fmt.Errorf("%w: %w", errNoNode, err)
				c.finish(time.Now())
				continue
			}
			n, fresh := s.node(client)
			news = news || fresh
			byNode[n] = append(byNode[n], c)
		}
		for n, calls := range byNode {
			send(n, calls...)
		}
		if news {
			s.survey(ctx)
		}
	})
	s.mu.Unlock()
}

// close waits for every call that is under way. What is sent from now on is refused.
func (s *servers) close() {
	s.mu.Lock()
	s.closed = true
	nodes := slices.Clone(s.former)
	for _, n := range s.nodes {
		nodes = append(nodes, n)
	}
	s.mu.Unlock()
	s.wg.Wait()
	for _, n := range nodes {
		n.close()
	}
	for _, n := range nodes {
		n.wg.Wait()
	}
}
