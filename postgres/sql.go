package postgres

import (
	"fmt"
	"strings"
)

// Every statement that a session runs is here. Three rules hold for all of them:
//
//   - A token is drawn after the lock was taken, in the same statement. Drawn
//     before, an older token could be held while a newer one was released.
//   - Each reply carries pg_backend_pid(), so that a proxy which moves the
//     session to another server process is noticed at the first reply.
//   - An advisory lock survives the error of its statement. Whoever sees an
//     error must assume that everything the statement names may be held.

// An opcode is one operation within the statement batch.
type opcode int32

// The opcodes. k is the key of the object, g that of its turnstile or its flag.
const (
	opLock        opcode = 1 // take k, exclusively
	opRead        opcode = 2 // pass the turnstile g and take k, shared
	opWrite       opcode = 3 // pass the turnstile g and take k, exclusively
	opUnlock      opcode = 4 // give up k, exclusive, and notify if somebody shows the flag g
	opUnlockRead  opcode = 5 // give up k, shared, likewise
	opShare       opcode = 6 // take k, shared
	opDrop        opcode = 7 // give up k, exclusive, if it is held
	opDropRead    opcode = 8 // give up k, shared, if it is held
	opRaise       opcode = 9 // show a flag: take k, shared, waiting for who looks at it just now
	opPair        opcode = 16
	opLower              = opDropRead // take the flag down
	batchRowLimit        = 256
)

// The replies of an operation.
const (
	replyTaken    = 1  // the lock was taken
	replyBusy     = 0  // it is held elsewhere
	replyTurned   = -1 // somebody waits at the turnstile
	replyGiven    = -2 // the lock was given up
	replyNotHeld  = -3 // there was nothing to give up
	replyNotAnOp  = -4 // the statement does not know the opcode
	replyQuiet    = -5 // given up, or raised, and nobody need be told
	tokensPerDraw = batchRowLimit
)

// A statement is prepared, by its name, when a session first uses it.
type statement struct {
	name string
	text string
}

// statements are those of one session: they differ in where tokens come from.
type statements struct {
	batch     *statement
	undo      *statement // batch without tokens, for what takes nothing
	locks     *statement // batch for opLock and opUnlock alone
	lock      *statement // for one opLock
	unlock    *statement // for one opUnlock
	permits   *statement
	limits    *statement
	waitLock  *statement
	waitPair  *statement
	waitGate  *statement
	waitGateR *statement
	waitRead  *statement
	waitReadP *statement
	waitWrite *statement
	waitWritP *statement
	waitQueue *statement
	unlockAll *statement
}

// makeStatements returns the statements that draw tokens from the sequence, a
// quoted name, or none if it is empty.
func makeStatements(sequence string) *statements {
	draw := "0::int8"
	if sequence != "" {
		draw = "nextval(" + quoteLiteral(sequence) + "::regclass)"
	}
	expand := func(name, text string, more ...string) *statement {
		r := strings.NewReplacer(append([]string{"{draw}", draw}, more...)...)
		return &statement{name: "distlock_" + name, text: r.Replace(text)}
	}
	single := []string{"{key}", "$1::int8"}
	pair := []string{"{key}", "($1::int8 >> 32)::int4, $1::int8::bit(32)::int4"}
	return &statements{
		batch:     expand("batch", batchSQL()),
		undo:      &statement{name: "distlock_undo", text: strings.ReplaceAll(batchSQL(), "{draw}", "0::int8")},
		locks:     expand("locks", locksSQL),
		lock:      expand("lock", lockSQL),
		unlock:    expand("unlock", unlockSQL),
		permits:   expand("permits", permitsSQL),
		limits:    expand("limits", limitsSQL),
		waitLock:  expand("wait_lock", waitLockSQL, single...),
		waitPair:  expand("wait_lock_pair", waitLockSQL, pair...),
		waitGate:  expand("wait_gate", waitGateSQL, "{shared}", ""),
		waitGateR: expand("wait_gate_shared", waitGateSQL, "{shared}", "_shared"),
		waitRead:  expand("wait_read", waitDataSQL, append(single, "{shared}", "_shared")...),
		waitReadP: expand("wait_read_pair", waitDataSQL, append(pair, "{shared}", "_shared")...),
		waitWrite: expand("wait_write", waitDataSQL, append(single, "{shared}", "")...),
		waitWritP: expand("wait_write_pair", waitDataSQL, append(pair, "{shared}", "")...),
		waitQueue: expand("wait_queue", waitQueueSQL),
		unlockAll: expand("unlock_all", unlockAllSQL),
	}
}

// batchSQL carries out any number of operations, in their order, and draws one
// token for all that were granted: the i-th operation's token is the drawn value
// plus i, and the sequence grows by more than a batch has rows.
//
// The aggregate reads every row before the select list above it is evaluated, so
// the token is younger than every lock of the batch, and the flags are looked at
// after every release. OFFSET 0 keeps the planner from merging the levels, which
// would evaluate the operations twice. A function scan returns the rows in the
// order of the arrays, and nothing here can sort them or run in parallel.
//
// To show a flag is to hold it, shared; who can take it exclusively knows that
// nobody shows it. $4 is the flag that is shown whenever any other one is, so that
// releases which nobody listens to cost one look for the whole batch. What undoes
// an error looks at no flag: it must work also where the lock table is full.
func batchSQL() string {
	var cases strings.Builder
	for _, k := range []struct {
		plus opcode
		key  string
	}{{0, "k"}, {opPair, "(k >> 32)::int4, k::bit(32)::int4"}} {
		turnstile := func(suffix string) string {
			return fmt.Sprintf(`case when pg_try_advisory_lock_shared(g)
		then case when pg_try_advisory_lock%s(%s)
			then case when pg_advisory_unlock_shared(g) then 1 end
			else case when pg_advisory_unlock_shared(g) then 0 end end
		else -1 end`, suffix, k.key)
		}
		unlock := fmt.Sprintf("case when pg_advisory_unlock(%s) then -2 else -3 end", k.key)
		unlockShared := fmt.Sprintf("case when pg_advisory_unlock_shared(%s) then -2 else -3 end", k.key)
		for _, c := range []struct {
			op   opcode
			text string
		}{
			{opLock, fmt.Sprintf("case when pg_try_advisory_lock(%s) then 1 else 0 end", k.key)},
			{opUnlock, unlock},
			{opRead, turnstile("_shared")},
			{opWrite, turnstile("")},
			{opUnlockRead, unlockShared},
			{opShare, fmt.Sprintf("case when pg_try_advisory_lock_shared(%s) then 1 else 0 end", k.key)},
			{opDrop, fmt.Sprintf("case when pg_advisory_unlock(%s) then -5 else -3 end", k.key)},
			{opDropRead, fmt.Sprintf("case when pg_advisory_unlock_shared(%s) then -5 else -3 end", k.key)},
			{opRaise, fmt.Sprintf("case when pg_advisory_lock_shared(%s) is not null then -5 end", k.key)},
		} {
			fmt.Fprintf(&cases, "\n\twhen %d then %s", c.op+k.plus, c.text)
		}
	}
	return `select a.r, case when a.best = 1 then {draw} else 0 end, pg_backend_pid(),
	case when a.told then
		case when pg_try_advisory_lock($4::int8) then case when pg_advisory_unlock($4::int8) then 0 end
		else (select count(case when pg_try_advisory_lock(g) then pg_advisory_unlock(g)::text
				else pg_notify('` + channelPrefix + `' || to_hex(g), '')::text end)
			from unnest($1::int4[], $3::int8[]) as f(o, g) where o % 16 in (4, 5)) end end
from (select array_agg(r) as r, max(r) as best, bool_or(r = -2) as told
	from (select case o` + cases.String() + `
		else -4 end::int4 as r
	from unnest($1::int4[], $2::int8[], $3::int8[]) as t(o, k, g) offset 0) x offset 0) a`
}

// locksSQL is batchSQL for many plain locks whose keys are single numbers, which
// is what most batches have, at half of the cost for the server. It gives up $2,
// whose flags are $3, and takes $1, and returns those that it could not take and
// those that it did not hold, which are few or none: an array that returns all
// costs more than the locks. No key is named twice in one batch, see table.
const locksSQL = `select a.refused, case when cardinality(a.refused) < cardinality($1::int8[]) then {draw} else 0 end, pg_backend_pid(), a.missing,
	case when cardinality(a.missing) < cardinality($2::int8[]) then
		case when pg_try_advisory_lock($4::int8) then case when pg_advisory_unlock($4::int8) then 0 end
		else (select count(case when pg_try_advisory_lock(g) then pg_advisory_unlock(g)::text
				else pg_notify('` + channelPrefix + `' || to_hex(g), '')::text end)
			from unnest($3::int8[]) g) end end
from (select
	array(select k from (select unnest($2::int8[]) k offset 0) x where not pg_advisory_unlock(k)) as missing,
	array(select k from (select unnest($1::int8[]) k offset 0) y where not pg_try_advisory_lock(k)) as refused
	offset 0) a`

// lockSQL takes one lock; its second column is null if it is held elsewhere.
// unlockSQL gives up one; its first column is null if it is not held. A statement
// for many locks costs twice as much.
//
// $1 key; $2 flag, $3 the common one.
const (
	lockSQL   = `select 1, case when pg_try_advisory_lock($1::int8) then {draw} end, pg_backend_pid()`
	unlockSQL = `select case when pg_advisory_unlock($1::int8) then
	case when pg_try_advisory_lock($3::int8) then case when pg_advisory_unlock($3::int8) then 1 end
	when pg_try_advisory_lock($2::int8) then case when pg_advisory_unlock($2::int8) then 1 end
	when pg_notify('` + channelPrefix + `' || to_hex($2::int8), '')::text is not null then 1 end end, 0::int8, pg_backend_pid()`
)

// permitsSQL takes up to $6 free slots of a semaphore, if nobody queues at its
// gate. Slot i has the key base # i. It tries one slot a step, beginning with $3,
// and stops when it has enough; a plain scan with LIMIT would take slots that it
// does not return. Slots that this session holds are left out ($4), because the
// server would grant them again.
//
// $1 base, $2 limit, $3 first, $4 own slots, $5 gate, $6 wanted.
const permitsSQL = `with recursive r(i, slot, got) as (
	select 0::int8, -1::int8, 0 where pg_try_advisory_lock_shared($5::int8)
	union all
	select i + 1, s, got + (s >= 0)::int
	from (select i, got, case
			when ($3::int8 + i) % $2::int8 = any($4::int8[]) then -1
			when pg_try_advisory_lock($1::int8 # (($3::int8 + i) % $2::int8)) then ($3::int8 + i) % $2::int8
			else -1 end as s
		from r where got < $6::int4 and i < $2::int8 offset 0) y)
select x.slots, case when x.slots is not null then {draw} else 0 end, pg_backend_pid(),
	case when x.n > 0 then pg_advisory_unlock_shared($5::int8) end
from (select array_agg(slot) filter (where slot >= 0) as slots, count(*) as n from r offset 0) x`

// waitLockSQL waits for a lock, for no longer than the lock_timeout, which holds
// for this statement only. It ends with 55P03 after that.
//
// $1 key, $2 lock_timeout.
const waitLockSQL = `select set_config('lock_timeout', $2::text, true) is null,
	case when pg_advisory_lock({key}) is not null then {draw} end, pg_backend_pid()`

// waitGateSQL waits at a turnstile or gate and keeps it.
//
// $1 gate, $2 lock_timeout.
const waitGateSQL = `select set_config('lock_timeout', $2::text, true) is null,
	case when pg_advisory_lock{shared}($1::int8) is not null then 1::int8 end, pg_backend_pid()`

// waitDataSQL waits for what is behind the turnstile, which this session has
// passed, and leaves the turnstile ($3) once it has it.
//
// $1 key, $2 lock_timeout, $3 turnstile.
const waitDataSQL = `select set_config('lock_timeout', $2::text, true) is null,
	case when pg_advisory_lock{shared}({key}) is not null
		then case when pg_advisory_unlock{shared}($3::int8) is not null then {draw} end end, pg_backend_pid()`

// waitQueueSQL takes one slot of a semaphore for the session that is at the
// head of the queue: it holds the gate ($4) and leaves it when it has a slot.
// It shows the flag $5, and the common one $6, so that releases notify it.
//
// $1 base, $2 limit, $3 first, $4 gate, $5 and $6 flags.
const waitQueueSQL = `with recursive r(i, slot) as (
	select 0::int8, -1::int8
	union all
	select i + 1, case when pg_try_advisory_lock($1::int8 # (($3::int8 + i) % $2::int8))
		then ($3::int8 + i) % $2::int8 else -1 end
	from r where slot < 0 and i < $2::int8)
select array[x.slot], case when x.slot >= 0
		then case when pg_advisory_unlock($4::int8) is not null
			then case when pg_advisory_unlock_shared($5::int8) is not null
				then case when pg_advisory_unlock_shared($6::int8) is not null then {draw} end end end else 0 end,
	pg_backend_pid()
from (select max(slot) as slot from r offset 0) x`

// unlockAllSQL clears a session that holds nothing it should keep: after any
// failed wait, because a wait can be granted and fail at the same time.
const unlockAllSQL = `select pg_advisory_unlock_all()::text is null, 0::int8, pg_backend_pid()`

// channelPrefix and the flag's key in hexadecimal make the channel on which the
// releases of an object are told.
const channelPrefix = "distlock_"

// quoteLiteral returns s as an SQL string.
func quoteLiteral(s string) string {
	if strings.Contains(s, `\`) {
		return " E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
