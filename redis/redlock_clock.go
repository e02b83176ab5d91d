package redis

import (
	"slices"
	"time"
)

// The servers' clocks serve tokens and tickets only. Neither exclusion nor the
// growth of tokens depends on them, but for what RedLock's documentation says.

// clock estimates the servers' time in microseconds: the median of what their
// last replies said, so that neither this machine's clock nor that of one server
// decides. 0: none has replied.
func (l *RedLock) clock() uint64 {
	now := time.Now()
	var all []uint64
	for _, x := range l.peers {
		x.p.servers.only().clock.read(now, func(us uint64) { all = append(all, us) })
	}
	if len(all) == 0 {
		return uint64(now.UnixMicro())
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// ticket returns what a server would have drawn for a waiter that came at a time.
func (l *RedLock) ticket(came time.Time) int64 {
	return int64(l.clock()) - time.Since(came).Microseconds()
}

// read tells the server's time at t, if it is known.
func (s *serverClock) read(t time.Time, tell func(us uint64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sent.IsZero() {
		tell(uint64(s.ms*1000 + t.Sub(s.back).Microseconds()))
	}
}
