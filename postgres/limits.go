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
// one semaphore's limits have the same upper half, and the limit is the lower one,
// so that pg_locks tells which limits are in use.
//
// It is a hint, for the observer, and costs no round trip: it is shown in the one
// of the first attempt, stays for some seconds after the last one, and is taken
// down in the one of a ping. Nothing rests on it.

// limitKey is shown by who uses the limit.
func (k keys) limitKey(limit int) Key {
	return Int64Key(k.limits&^math.MaxUint32 | int64(limit))
}

// limitsSQL returns the limits that are shown, other than $2. $1 is the upper half
// of their keys, as pg_locks has it.
const limitsSQL = `select array_agg(distinct objid::int8), 0::int8, pg_backend_pid() from pg_catalog.pg_locks
where locktype = 'advisory' and objsubid = 1 and granted and classid::int8 = $1::int8 and objid::int8 <> $2::int8
	and database = (select oid from pg_catalog.pg_database where datname = current_database())`

// show returns what shows the limit of an attempt, if this session does not yet,
// and, if somebody wants to know, looks for other limits. mu is held.
func (f *family) show(s *session, w *want) (ops []*op) {
	if slices.Contains(f.limits, w.limit) {
		return nil
	}
	f.limits = append(f.limits, w.limit)
	k := w.keys.limitKey(w.limit)
	o := simple(opShare, k, 0)
	o.undo = func() ([]*op, bool) { return []*op{simple(opDropRead, k, 0).must()}, true }
	ops = append(ops, o)
	if s.pool.opts.Observer != nil {
		upper := strconv.FormatUint(uint64(w.keys.limits)>>32, 10)
		w.look = special(s.stmts.limits, upper, strconv.Itoa(w.limit))
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
	for base, f := range s.families {
		switch {
		case len(f.held) > 0 || len(f.wanting) > 0 || f.busy:
		case !f.idle:
			f.idle = true
		default:
			delete(s.families, base)
			for _, limit := range f.limits {
				s.enqueue(simple(opLower, f.keys.limitKey(limit), 0))
			}
		}
	}
}
