package postgres

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/distlock/distlock-go/core"
)

// Limits of one semaphore may differ while a rollout changes them. The slots say
// nothing of the limit under which they were taken, so each session that uses a
// semaphore shows its limit: it holds the key of that limit, shared. All keys of
// one semaphore's limits have the same first number, and the limit is in the
// second one, so that pg_locks tells which limits are in use.
//
// It is a hint, for the observer, and costs no round trip: it is shown in the one
// of the first attempt, stays for some seconds after the last one, and is taken
// down in the one of a ping. Nothing rests on it.

// shownLimits is the largest limit that is told from larger ones.
const shownLimits = math.MaxUint16

// limitKey is shown by who uses the limit. It is a pair, as no lock of the scheme
// Hashed is; and for the other schemes, half of the second number is a checksum by
// which List knows it from a lock.
func (k keys) limitKey(limit int) Key {
	shown := min(limit, shownLimits)
	return PairKey(k.limits, int32(limitCheck(k.limits, shown)<<16|uint32(shown)))
}

func limitCheck(limits int32, limit int) uint32 {
	const odd = 0x9e3779b97f4a7c15 // Knuth's multiplicative hashing, with the golden ratio
	return uint32((uint64(uint32(limits))<<16 | uint64(limit)) * odd >> 48)
}

// showsLimit reports whether a key that is held shared is one of limitKey. A pair
// that is a reader's is taken for one with a probability of 1 in 65536.
func showsLimit(k Key) bool {
	limits, low, pair := k.Pair()
	limit := int(uint32(low) & shownLimits)
	return pair && limit > 0 && uint32(low)>>16 == limitCheck(limits, limit)
}

// limitsSQL returns the limits that are shown, other than $2. $1 is the first
// number of their keys, as pg_locks has it.
const limitsSQL = `select array_agg(distinct objid::int8 & 65535), 0::int8, pg_backend_pid() from pg_catalog.pg_locks
where locktype = 'advisory' and objsubid = 2 and granted and classid::int8 = $1::int8 and objid::int8 & 65535 <> $2::int8
	and database = (select oid from pg_catalog.pg_database where datname = current_database())`

// show returns what shows the limit of an attempt, if this session does not yet,
// and, if somebody wants to know, looks for other limits. mu is held.
func (f *family) show(s *session, w *want) (ops []*op) {
	if slices.Contains(f.limits, w.limit) {
		return nil
	}
	f.limits = append(f.limits, w.limit)
	k := w.keys.limitKey(w.limit)
	o := simple(opShare, k)
	o.owner = hooks{undoing: func() ([]*op, bool) { return []*op{simple(opDropRead, k).must()}, true }}
	ops = append(ops, o)
	if s.pool.opts.Observer != nil {
		first := strconv.FormatUint(uint64(uint32(w.keys.limits)), 10)
		w.look = special(s.stmts.limits, first, strconv.Itoa(min(w.limit, shownLimits)))
		ops = append(ops, w.look)
	}
	return ops
}

// compareLimits tells the observer of another limit that is in use, once for each.
func (l *permits) compareLimits(ctx context.Context, look *op) {
	if look == nil || !look.resolved() || look.err != nil || len(look.slots) == 0 {
		return
	}
	other := slices.Max(look.slots)
	if l.otherLimit.Swap(other) != other {
		l.provider.engine.Observe(ctx, l.event(core.EventLimitMismatch,
			fmt.Errorf("the limit is %d here and %d elsewhere", l.limit, other)))
	}
}

// sweep forgets the families that were not used since the last time, and takes
// down the limits that they show. mu is held.
func (s *session) sweep() {
	var down []*op
	for base, f := range s.families {
		switch {
		case len(f.held) > 0 || len(f.wanting) > 0 || f.busy:
		case !f.idle:
			f.idle = true
		default:
			delete(s.families, base)
			for _, limit := range f.limits {
				down = append(down, lowering(f.keys.limitKey(limit)))
			}
		}
	}
	if len(down) > 0 {
		s.enqueue(down...)
	}
}
