package core

import (
	"cmp"
	"strings"
)

// An Identity tells which object a [Lock] refers to, so that [AcquireAll] can
// put locks into one order and find the same one twice. Equal identities mean
// the same object.
type Identity struct {
	Backend  string // "postgres", "redis", "redlock", "file", "memory"
	Kind     Kind   // "" if Name is a key that several kinds or names stand for
	Name     string
	Provider any // tells providers of one process apart; must be comparable
}

// An Identified lock knows its identity. The locks of every backend do.
// Decorators should pass it on; without it a lock is known by name only.
type Identified interface {
	Identity() Identity
}

// identityOf asks v, and makes the best of a v that cannot tell.
func identityOf(v any, kind Kind, name string) Identity {
	if id, ok := v.(Identified); ok {
		return id.Identity()
	}
	return Identity{Kind: kind, Name: name}
}

// compare orders identities alike in every process: providers, which are known
// to one process only, take no part.
func (id Identity) compare(other Identity) int {
	return cmp.Or(
		strings.Compare(id.Name, other.Name),
		strings.Compare(string(id.Kind), string(other.Kind)),
		strings.Compare(id.Backend, other.Backend),
	)
}
