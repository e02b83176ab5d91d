package memory

import (
	"context"
	"fmt"

	"github.com/distlock/distlock-go/core"
)

// A Fault stands between a provider and its server, as a network does. It is
// called twice for each operation: before the request reaches the server, and
// once the server has carried it out but before the reply arrives.
//
// It may block, which delays the message; it must return when ctx ends. And it
// may return an error, which loses the message: then the operation fails with
// that error, wrapped so as to match [core.ErrUnavailable], and the provider
// does not know whether the server has carried it out. A Fault is called by
// several goroutines at once.
//
// Two things are beyond its reach: a grant that the server gives to a waiter,
// and the departure of a waiter whose context has ended.
type Fault func(ctx context.Context, m Message) error

// A Message is the request or the reply of one operation.
type Message struct {
	Op    Op
	Reply bool // the reply; otherwise the request

	Kind   core.Kind
	Name   string
	Shared bool // about a reader of an RWLock
}

// An Op is an operation of the server.
type Op string

// The operations.
const (
	OpClaim   Op = "claim"   // take an object if it is free, or be refused
	OpWait    Op = "wait"    // take an object, or line up for it
	OpRelease Op = "release" // also: give back what may have been taken
	OpRenew   Op = "renew"   // one lease of a batch
)

// send has the server carry out one operation about t, and returns its answer.
// err is set instead if there is none.
func (p *Provider) send(ctx context.Context, op Op, t *ticket, do func() error) (answer, err error) {
	if p.fault == nil {
		return do(), nil
	}
	m := Message{Op: op, Kind: t.key.kind, Name: t.key.name, Shared: t.reads()}
	if err := p.fault(ctx, m); err != nil {
		return nil, fmt.Errorf("%w: the %s request was lost: %w", core.ErrUnavailable, op, err)
	}
	answer = do()
	m.Reply = true
	if err := p.fault(ctx, m); err != nil {
		return nil, fmt.Errorf("%w: the reply to the %s request was lost: %w", core.ErrUnavailable, op, err)
	}
	return answer, nil
}
