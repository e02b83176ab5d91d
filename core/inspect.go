package core

import (
	"context"
	"time"
)

// A Kind is one of the three primitives. Objects of different kinds never
// exclude each other, whatever their names.
type Kind string

// The kinds.
const (
	KindLock      Kind = "lock"
	KindRWLock    Kind = "rwlock"
	KindSemaphore Kind = "semaphore"
)

// A Holder is one hold on a lock, as the backend sees it.
type Holder struct {
	Owner  Owner     `json:"owner"`
	Shared bool      `json:"shared,omitempty"` // a reader of an RWLock
	Token  uint64    `json:"token,omitempty"`  // its fencing token, 0 if the backend does not tell
	Since  time.Time `json:"since,omitzero"`   // when it was granted, by the holder's or the server's clock
	Until  time.Time `json:"until,omitzero"`   // when its lease ends unless it is renewed; zero: no lease
}

// A Waiter is one place in the queue for a lock, as the backend sees it.
type Waiter struct {
	Owner  Owner     `json:"owner"`
	Shared bool      `json:"shared,omitempty"` // waits to read an RWLock
	Since  time.Time `json:"since,omitzero"`
}

// A Status is what the backend knows of one object. It is out of date when it
// arrives: show it to people, and decide nothing by it.
type Status struct {
	Name    string   `json:"name"`
	Kind    Kind     `json:"kind"`
	Limit   int      `json:"limit,omitempty"` // permits of a semaphore, 0 if not known
	Holders []Holder `json:"holders"`
	Waiters []Waiter `json:"waiters"` // in order of service where the backend knows it
}

// An Inspector is a provider that can tell who holds what. Find it by type
// assertion: provider.(core.Inspector). Nothing held is an empty result and no
// error; errors match [ErrUnavailable], or [ErrInvalid] if the name is not valid.
type Inspector interface {
	// Inspect returns the status of the objects of that name that are held or
	// waited for, one for each kind at the most.
	Inspect(ctx context.Context, name string) ([]Status, error)

	// List returns the status of every object that is held or waited for and
	// whose name begins with prefix, in order of name. A backend that does not
	// know names says in its documentation what it lists instead.
	List(ctx context.Context, prefix string) ([]Status, error)
}

// A Breaker is a provider that can end the holds of others. Find it by type
// assertion: provider.(core.Breaker).
type Breaker interface {
	// Break ends every hold on the object and returns how many it ended. Their
	// handles are lost. It is an operator's last resort: a holder that is
	// alive goes on until it notices, so only a fencing token keeps its late
	// writes out. If nobody holds the object it returns 0 and no error; errors
	// match [ErrUnavailable], and errors.ErrUnsupported too where only the holder
	// can end a hold, or [ErrInvalid] if the kind or the name is not valid.
	Break(ctx context.Context, kind Kind, name string) (int, error)
}
