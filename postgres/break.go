package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// Break implements core.Breaker by pg_terminate_backend: it ends the sessions
// that hold the object, and with them everything else that they hold. The role
// must be the holders' own, or a member of pg_signal_backend, and a superuser if a
// holder is one; and no holder may be a prepared transaction, which has no session
// and ends by ROLLBACK PREPARED. If not, the error matches core.ErrUnavailable and
// says so, and nothing was ended.
func (p *Provider) Break(ctx context.Context, kind core.Kind, name string) (int, error) {
	if err := driver.CheckObject(kind, name); err != nil {
		return 0, &core.Error{Op: "break", Name: name, Err: err}
	}
	n := 0
	err := p.grants(ctx, func(conn *pgconn.PgConn, grants []grant) error {
		k, err := p.opts.makeKeys(kind, name)
		if err != nil {
			return err
		}
		var holders []grant
		for _, g := range grants {
			switch {
			case !g.granted || !k.holds(kind, g):
			case g.pid == 0:
				return fmt.Errorf("%w: the holder is the %s: end it by ROLLBACK PREPARED", core.ErrUnavailable, g.prepared())
			default:
				holders = append(holders, g)
			}
		}
		if len(holders) > 0 {
			n, err = end(ctx, conn, holders)
		}
		return err
	})
	if err != nil {
		return 0, &core.Error{Op: "break", Name: name, Err: err}
	}
	return n, nil
}

// end ends the sessions that hold these locks, as far as they still do, and returns
// how many of the locks that ended.
func end(ctx context.Context, conn *pgconn.PgConn, holders []grant) (n int, err error) {
	var pids, locks []string
	for _, g := range holders {
		pids = append(pids, strconv.Itoa(g.pid))
		locks = append(locks, fmt.Sprintf("(%d, '%d'::int8, %t)", g.pid, g.key.value, g.key.pair))
	}
	// The statement fails at the first session that it may not end. All are
	// checked before, so that it is all or nothing.
	results, err := conn.Exec(ctx, fmt.Sprintf(breakSQL, strings.Join(pids, ","), strings.Join(locks, ","))).ReadAll()
	if sqlState(err) == codeNoPrivilege || sqlState(err) == codeDivision {
		return 0, fmt.Errorf("%w: this role may not end the holder's session; grant it pg_signal_backend, or be a superuser to end that of one: %w", core.ErrUnavailable, err)
	}
	if err != nil {
		return 0, unlessEnded(ctx, err)
	}
	ended, err := rows(results, 2)
	if err != nil {
		return 0, unavailable(err)
	}
	for _, row := range ended {
		held, err := strconv.Atoi(string(row[1]))
		if err != nil {
			return 0, unavailable(err)
		}
		n += held
	}
	return n, nil
}

const codeDivision = "22012"

// breakSQL divides by zero if there is a session that this role may not end. It asks
// what pg_terminate_backend does: https://www.postgresql.org/docs/current/functions-admin.html
// A role that is a member without inheriting (MEMBER without USAGE) may not.
//
// The second statement looks again who holds what: a session that has released it
// meanwhile is left alone, with all the other holds that it carries.
const breakSQL = `select 1 / case when exists (select from pg_catalog.pg_stat_activity a
	join pg_catalog.pg_roles owner on owner.oid = a.usesysid, pg_catalog.pg_roles me
	where a.pid in (%[1]s) and me.rolname = current_user and not me.rolsuper and (owner.rolsuper
		or not pg_has_role(me.oid, owner.oid, 'USAGE') and not pg_has_role(me.oid, 'pg_signal_backend', 'USAGE'))) then 0 else 1 end;
select pg_terminate_backend(x.pid), x.held from (select l.pid, count(*) as held from pg_catalog.pg_locks l
	where l.locktype = 'advisory' and l.granted and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
		and (l.pid, l.classid::int8 << 32 | l.objid::int8, l.objsubid = 2) in (values %[2]s)
	group by l.pid offset 0) x`
