package redis

import (
	"context"

	"github.com/distlock/distlock-go/core/driver"
)

var _ driver.Placed = (*hold)(nil)

// Server implements driver.Placed: a renewal of the hold goes there. Once its slot has
// moved, and the driver has heard of it, that is another one.
func (h *hold) Server() any { return h.c.p.servers.master(h.c.keys[stateKey]) }

// atOnce is a context for what must not wait.
var atOnce = func() context.Context {
	ctx, end := context.WithCancel(context.Background())
	end()
	return ctx
}()

// master returns what tells the master of a key from others, as far as the driver
// knows it without asking anybody: who holds a lock has asked. Without a cluster, and
// if it does not know, that is nothing.
func (s *servers) master(key string) any {
	if s.cluster == nil {
		return nil
	}
	client, err := s.cluster.MasterForKey(atOnce, key)
	if err != nil {
		return nil
	}
	return client
}
