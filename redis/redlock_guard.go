package redis

import (
	"context"
	"errors"
	"fmt"

	"github.com/distlock/distlock-go/core"
)

// The troubles that only RedLock has.
const (
	NoMajority  Trouble = "no majority" // too few servers gave an answer
	Quarantined Trouble = "quarantined" // the server has no memory of what it voted
	SameServer  Trouble = "same server" // two clients lead to one server
)

// Bootstrap lets all servers vote at once. A server that was never used, or has
// lost its data, otherwise waits for the length of a lease.
//
// It must only be called while nobody holds or acquires anything with this prefix:
// when the servers are used for the first time, or while all programs are
// stopped. Servers that cannot be reached are passed over and stay in quarantine;
// the error tells of them, and matches core.ErrUnavailable. To call it again does
// no harm, and changes nothing for servers that vote.
func (l *RedLock) Bootstrap(ctx context.Context) error {
	errs := make([]error, len(l.peers))
	calls := make([]*call, len(l.peers))
	for i, x := range l.peers {
		calls[i] = x.p.script(x.bootstrap, []string{l.guard()}, x.guardian)
		x.p.servers.send(calls[i])
	}
	for i, x := range l.peers {
		if err := calls[i].wait(ctx); err != nil {
			errs[i] = fmt.Errorf("%s: %w", x.addr, diagnose(err))
			continue
		}
		x.mu.Lock()
		x.muted = x.heard
		x.mu.Unlock()
		server, _ := calls[i].value.(string)
		errs[i] = x.identify(server)
	}
	if err := errors.Join(errs...); err != nil {
		return &core.Error{Op: "bootstrap", Err: err}
	}
	return nil
}
