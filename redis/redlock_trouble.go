package redis

import (
	"errors"
	"fmt"
	"strings"
)

// errQuarantine is among the reasons if some of the servers would vote later.
var (
	errQuarantine = errors.New("quarantined")
	errRepeat     = errors.New("the election must be repeated")
)

// noMajority returns the error that says why too few servers have answered.
func (b *ballot) noMajority() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	errs := []error{fmt.Errorf("%d of %d servers are needed", b.n.e.l.quorum, len(b.votes))}
	cure := ""
	for i := range b.votes {
		if v := &b.votes[i]; v.state == failed {
			errs = append(errs, fmt.Errorf("%s: %w", b.n.e.l.peers[i].addr, v.err))
			if errors.Is(v.err, errQuarantine) {
				cure = "a server that is new, or has lost its data, votes after the length of a lease, or after RedLock.Bootstrap"
			}
		}
	}
	return &TroubleError{NoMajority, cure, joined(errs)}
}

// joined joins errors in one line.
func joined(errs []error) error {
	text := make([]string, len(errs))
	for i, err := range errs {
		text[i] = err.Error()
	}
	return &joinedError{strings.Join(text, "; "), errs}
}

type joinedError struct {
	text string
	errs []error
}

func (e *joinedError) Error() string { return e.text }

func (e *joinedError) Unwrap() []error { return e.errs }
