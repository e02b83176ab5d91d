package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

var (
	_ core.Inspector = (*Provider)(nil)
	_ core.Breaker   = (*Provider)(nil)
)

// A grant is a row of pg_locks: a lock that a session holds or waits for.
type grant struct {
	key     Key
	shared  bool
	granted bool
	pid     int // of the session, or 0 for a prepared transaction, which has none
	owner   core.Owner
	since   time.Time // when it began to wait
	ours    bool      // the session is one of this library's
	gid     string    // by which a prepared transaction is known, if it could be found
}

// grantsSQL reads the advisory locks of this database. Every role may. A prepared
// transaction has no process, but a lock on its own number, which tells which it is.
const grantsSQL = `select l.classid::int8 << 32 | l.objid::int8, l.objsubid = 2, l.mode = 'ShareLock', l.granted, coalesce(l.pid, 0),
	a.application_name, coalesce(host(a.client_addr), ''), %s,
	case when l.pid is null then (select min(x.gid)
		from pg_catalog.pg_locks n join pg_catalog.pg_prepared_xacts x on x.transaction = n.transactionid
		where n.locktype = 'transactionid' and n.pid is null and n.virtualtransaction = l.virtualtransaction) end
from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a using (pid)
where l.locktype = 'advisory' and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
order by 8, 5`

// grants asks on a connection of its own, because the answer may be long. No token is
// drawn for it.
func (p *Provider) grants(ctx context.Context, then func(*pgconn.PgConn, []grant) error) error {
	if p.engine.Context().Err() != nil {
		return core.ErrClosed
	}
	conn, facts, err := p.pool.dialer.open(ctx, p.pool.dialer.inquire)
	if err != nil {
		return err
	}
	defer hangUp(conn)
	waitstart := "null"
	if facts.version >= 140000 {
		waitstart = "extract(epoch from l.waitstart)"
	}
	results, err := conn.Exec(ctx, fmt.Sprintf(grantsSQL, waitstart)).ReadAll()
	if err != nil {
		return unlessEnded(ctx, err)
	}
	table, err := rows(results, 9)
	if err != nil {
		return unavailable(err)
	}
	var all []grant
	for _, row := range table {
		g, err := readGrant(row)
		if err != nil {
			return unavailable(err)
		}
		all = append(all, g)
	}
	return then(conn, all)
}

func readGrant(row [][]byte) (g grant, err error) {
	value, err := strconv.ParseInt(string(row[0]), 10, 64)
	if err != nil {
		return g, err
	}
	if g.pid, err = strconv.Atoi(string(row[4])); err != nil {
		return g, err
	}
	g.key = Key{value: value, pair: string(row[1]) == "t"}
	g.shared, g.granted = string(row[2]) == "t", string(row[3]) == "t"
	application := string(row[5])
	g.owner, g.ours = ownerOf(application, string(row[6])), strings.HasPrefix(application, applicationPrefix)
	if g.gid = string(row[8]); g.pid == 0 {
		g.owner = core.Owner{Program: g.prepared()}
	}
	if s, err := strconv.ParseFloat(string(row[7]), 64); err == nil {
		g.since = time.UnixMicro(int64(s * 1e6))
	}
	return g, nil
}

// prepared names the prepared transaction that has the lock.
func (g grant) prepared() string {
	return strings.TrimSpace("prepared transaction " + g.gid)
}

// Inspect implements core.Inspector. What it tells is what pg_locks shows: the
// server process of a session, whatever program it belongs to, or a prepared
// transaction. Readers that share
// a session are one holder. Times are known for waiters only, and from PostgreSQL
// 14 on.
func (p *Provider) Inspect(ctx context.Context, name string) ([]core.Status, error) {
	if err := driver.CheckName(name); err != nil {
		return nil, &core.Error{Op: "inspect", Name: name, Err: err}
	}
	var all []core.Status
	err := p.grants(ctx, func(_ *pgconn.PgConn, grants []grant) error {
		for _, kind := range []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore} {
			k, err := p.opts.makeKeys(kind, name)
			if err != nil {
				return err
			}
			if st := k.status(kind, name, grants); len(st.Holders)+len(st.Waiters) > 0 {
				all = append(all, st)
			}
		}
		return nil
	})
	if err != nil {
		return nil, &core.Error{Op: "inspect", Name: name, Err: err}
	}
	return all, nil
}

// status picks out what concerns one object. A session waits if it is not
// granted the key or the turnstile, if it has passed the turnstile without having
// the key, or if it shows the flag.
func (k keys) status(kind core.Kind, name string, grants []grant) core.Status {
	st := core.Status{Name: name, Kind: kind}
	holds, waits := make(map[int]bool), make(map[int]bool)
	for _, g := range grants {
		if g.granted && k.holds(kind, g) {
			holds[g.pid] = true
			st.Holders = append(st.Holders, core.Holder{Owner: g.owner, Shared: g.shared})
		}
	}
	for _, g := range grants {
		waiting := !g.granted && g.key == k.data || g.key == Int64Key(k.gate) || g.granted && g.key == Int64Key(k.flag)
		if waiting && !waits[g.pid] && !(g.granted && holds[g.pid]) {
			waits[g.pid] = true
			st.Waiters = append(st.Waiters, core.Waiter{Owner: g.owner, Since: g.since,
				Shared: kind == core.KindRWLock && g.shared && g.key != Int64Key(k.flag)})
		}
	}
	return st
}

// holds reports whether g is a lock on the object itself.
func (k keys) holds(kind core.Kind, g grant) bool {
	if kind != core.KindSemaphore {
		return g.key == k.data
	}
	slot := g.key.value ^ k.data.value
	return !g.key.pair && slot >= 0 && slot < 1<<31
}

// List implements core.Inspector as far as it can: the server knows keys and not
// names. It returns, if prefix is empty, each key that is held or waited for by
// sessions of this library, under the name "key 42" (or "key 1, 2") and without a
// kind, and with another prefix those whose name begins so. A permit is a key of
// its own; and where somebody waits, the keys at which waiters stand are listed
// like others.
func (p *Provider) List(ctx context.Context, prefix string) ([]core.Status, error) {
	var all []core.Status
	err := p.grants(ctx, func(_ *pgconn.PgConn, grants []grant) error {
		byKey := make(map[Key]*core.Status)
		for _, g := range grants {
			name := "key " + g.key.String()
			if !g.ours || !strings.HasPrefix(name, prefix) || g.key == Int64Key(p.pool.common) || g.shared && showsLimit(g.key) {
				continue
			}
			st := byKey[g.key]
			if st == nil {
				st = &core.Status{Name: name}
				byKey[g.key] = st
			}
			if g.granted {
				st.Holders = append(st.Holders, core.Holder{Owner: g.owner, Shared: g.shared})
			} else {
				st.Waiters = append(st.Waiters, core.Waiter{Owner: g.owner, Shared: g.shared, Since: g.since})
			}
		}
		for _, st := range byKey {
			all = append(all, *st)
		}
		slices.SortFunc(all, func(a, b core.Status) int { return strings.Compare(a.Name, b.Name) })
		return nil
	})
	if err != nil {
		return nil, &core.Error{Op: "list", Err: err}
	}
	return all, nil
}
