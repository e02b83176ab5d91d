package postgres

import (
	"context"
	"fmt"
	"strconv"

	"github.com/distlock/distlock-go/core"
)

// A Report is what [Provider.Check] found out about the server.
type Report struct {
	Version  int      // server_version_num, such as 170002
	Timeline uint64   // of the cluster
	Tokens   bool     // whether fencing tokens can be drawn
	Capacity int      // entries of the lock table, which all users of the server share
	InUse    int      // of these, the advisory locks of all databases
	Warnings []string // what should be seen to, and how
}

const checkSQL = `select current_setting('max_locks_per_transaction')::int8 *
	(current_setting('max_connections')::int8 + current_setting('max_prepared_transactions')::int8),
	(select count(*) from pg_catalog.pg_locks where locktype = 'advisory'),
	current_setting('fsync'), current_setting('synchronous_commit')`

// Check connects, finds out whether locks can be relied upon there, and takes and
// releases one. What it finds wrong, and the cure, is in Report.Warnings; the error
// says that no lock can be had there, as that of an acquire does: it matches
// [ErrPooler], [ErrStandby], [ErrAuth] or another cause, and core.ErrUnavailable.
func (p *Provider) Check(ctx context.Context) (*Report, error) {
	r, err := p.check(ctx)
	if err != nil {
		return nil, &core.Error{Op: "check", Err: err}
	}
	return r, nil
}

func (p *Provider) check(ctx context.Context) (*Report, error) {
	conn, facts, err := p.pool.dialer.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer hangUp(conn)
	r := &Report{Version: facts.version, Timeline: facts.timeline, Tokens: facts.sequence != ""}
	results, err := conn.Exec(ctx, checkSQL).ReadAll()
	if err != nil {
		return nil, unlessEnded(ctx, err)
	}
	row, err := oneRow(results, 4)
	if err != nil {
		return nil, unavailable(err)
	}
	if r.Capacity, err = strconv.Atoi(string(row[0])); err != nil {
		return nil, unavailable(err)
	}
	if r.InUse, err = strconv.Atoi(string(row[1])); err != nil {
		return nil, unavailable(err)
	}
	r.warn(p.opts)
	r.warnOfCrashes(string(row[2]), string(row[3]))
	h, err := p.probe("distlock check " + strconv.FormatUint(uint64(facts.pid), 10)).Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return r, h.Release(ctx)
}

// probe returns a lock whose key is hashed, whatever the scheme of the others is:
// Raw has no place for a name that nobody uses.
func (p *Provider) probe(name string) core.Lock {
	o := *p.opts
	o.Keys = Hashed
	k, err := o.makeKeys(core.KindLock, name)
	return p.engine.NewLock(name, &locker{provider: p, kind: core.KindLock, name: name, keys: k, invalid: err, take: opLock})
}

func (r *Report) warn(o *Options) {
	add := func(format string, args ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...)) }
	if r.Version < 140000 {
		add("before PostgreSQL 14 the server does not notice that a client which waits has vanished until it is granted the lock")
	}
	if !r.Tokens {
		add("no fencing tokens: this role can neither use nor create %s; let the owner of the schema run:\n%s", o.TokenSequence, TokenSQL(o.TokenSequence))
	}
	if share := r.Capacity / 4; o.MaxHolds > share*2 {
		add("this provider may hold %d locks, of a lock table for about %d that all users of the server share: "+
			"lower MaxHolds or raise max_locks_per_transaction", o.MaxHolds, r.Capacity)
	}
	if r.InUse > r.Capacity/2 {
		add("%d advisory locks are held, of a lock table for about %d: raise max_locks_per_transaction", r.InUse, r.Capacity)
	}
}

// warnOfCrashes tells what of the tokens a crash of the server may undo: they are
// values of a sequence, which is in the write-ahead log like everything else.
func (r *Report) warnOfCrashes(fsync, commit string) {
	const risk = " is off: after a crash of the server fencing tokens may be drawn a second time; turn it on"
	switch {
	case fsync == "off":
		r.Warnings = append(r.Warnings, "fsync"+risk)
	case commit == "off":
		r.Warnings = append(r.Warnings, "synchronous_commit"+risk)
	}
}
