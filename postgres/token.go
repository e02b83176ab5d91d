package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// DefaultTokenSequence is the sequence of Options that name none. It is named
// with its schema, because two processes with different search paths must not
// draw from two sequences.
const DefaultTokenSequence = "public.distlock_token"

// timelineShift is by how much a timeline lifts a token.
//
// A token is timeline<<48 + n. n comes from one sequence for all names, so it grows.
// What could take the sequence back, and what is done about it:
//
//   - A crash of the server, whose log may lack the last values: see leapSQL.
//   - The promotion of a standby, which may have missed the last values. It begins a
//     new timeline, which is worth 2^48 microseconds, nine years of n.
//   - DROP SEQUENCE, ALTER SEQUENCE RESTART, or a dump that is loaded. A sequence is
//     created at the server's time in microseconds, and lifted to it by each new
//     session whose role may: see liftSQL. n is never ahead of the time, unless it is
//     drawn from 3900 times a second on average, or new sessions come 7 times a second.
//   - The same while sessions are open: one that draws less than it drew before ends,
//     its holds are lost, and the next one lifts the sequence. See session.draws.
//
// What is left: a database that is loaded into a new cluster, which begins with timeline
// 1, when the old one had a higher one; a server's clock that was set back together with
// one of the third kind; a session that has been idle since before the value to which
// the sequence is taken back, and draws first; sequences that no session may lift, if they
// are restarted, or loaded from a dump that is older than the last token; and those that
// only some may lift, if a crash or a failover loses that. Then somebody must set the
// sequence to more than it was, plus 2^48 for each timeline that is missing.
const timelineShift = 48

// timeSQL is the time of the server in microseconds, about 2^51.
const timeSQL = "(extract(epoch from clock_timestamp()) * 1000000)::int8"

// TokenSQL returns the statements that create the sequence of fencing tokens, of
// that name (empty: the default), and let every role draw from it. It starts at the
// server's time, so that its tokens are greater than those of one that was dropped. A
// role that may create it runs them by itself, unless Options.NoCreate is set.
func TokenSQL(sequence string) string {
	q := quoteSequence(cmpOr(sequence, DefaultTokenSequence))
	create := fmt.Sprintf("create sequence if not exists %s as bigint minvalue %d increment by %d cache 1 no cycle start with ", q, tokensPerDraw, tokensPerDraw)
	return fmt.Sprintf("do %s;\ngrant usage on sequence %s to public;",
		quoteLiteral("begin execute "+quoteLiteral(create)+" || "+timeSQL+"; end"), q)
}

func cmpOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// quoteSequence quotes schema.name.
func quoteSequence(s string) string {
	schema, name, _ := strings.Cut(s, ".")
	return `"` + schema + `"."` + name + `"`
}

// sequenceSQL tells whether the sequence is there, whether this role may draw
// from it, whether it is one that tokens can be drawn from, and whether this role may
// lift it.
const sequenceSQL = `select s.seqincrement, s.seqcache, s.seqcycle, has_sequence_privilege(s.seqrelid, 'USAGE'),
	has_sequence_privilege(s.seqrelid, 'UPDATE') and s.seqmax > 1::int8 << 62
from pg_catalog.pg_sequence s where s.seqrelid = to_regclass(%s)`

// prepareTokens makes sure that tokens can be drawn. It finds out the quoted name of
// the sequence, or "" if there is none and none is required, and a value that is less
// than those that will be drawn and not less than those that were.
func (o *Options) prepareTokens(ctx context.Context, conn *pgconn.PgConn) (sequence string, drawn int64, err error) {
	lifts, why := o.checkSequence(ctx, conn)
	if errors.Is(why, errNoSequence) && !o.NoCreate {
		lifts, why = o.createSequence(ctx, conn)
	}
	if why == nil {
		drawn, err = o.leap(ctx, conn, lifts)
		return quoteSequence(o.TokenSequence), drawn, err
	}
	switch {
	case errors.Is(why, errBadSequence):
		return "", 0, invalid("%v", why)
	case conn.IsClosed():
		return "", 0, why
	case o.RequireToken:
		return "", 0, fmt.Errorf("%w from %s (%w); let the owner of the schema run:\n%s", ErrNoToken, o.TokenSequence, why, TokenSQL(o.TokenSequence))
	}
	return "", 0, nil
}

// leap leaves out values that may have been drawn before.
func (o *Options) leap(ctx context.Context, conn *pgconn.PgConn, lifts bool) (drawn int64, err error) {
	name := quoteLiteral(quoteSequence(o.TokenSequence))
	sql := fmt.Sprintf(leapSQL, name)
	if lifts {
		sql = fmt.Sprintf(liftSQL, hashKey("", "", o.TokenSequence, "token"), name) + sql
	}
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return 0, err
	}
	row, err := oneRow(results, 1)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(row[0]), 10, 64)
}

// leapSQL leaves out values that may have been drawn before a crash. PostgreSQL logs
// 32 draws at a time, and makes only the transaction which does that wait until the
// log is written; others get the rest of the 32 at once, and a crash takes them back.
// Each 32 that may be missing had a session that waited for its commit, so this is
// enough for 16 of those. A crash ends all sessions, so each begins with it; as values
// are tokensPerDraw apart, there are enough for 2^31 sessions.
const leapSQL = `select max(nextval(%s)) from generate_series(1, 512)`

// liftSQL sets a sequence that is more than a minute behind the server's time to it. It
// must not take one back, and setval does not look. Other sessions that do this are kept
// out by the lock %[1]d, which ends with the transaction. That has its commit before
// leapSQL: what anybody draws of what was set waits for the log then, so a crash does not
// take back more than leapSQL makes up for.
//
// The lock is taken only if the sequence is behind, or sessions that come together would
// wait for each other's commit. What was not behind is not found behind by the second
// look: the sequence grows, and now() is one for both. Those that draw are not kept out:
// between the draw here and the setval they would have to draw a minute's worth, 234000
// times.
const liftSQL = `begin;
select pg_advisory_xact_lock(%[1]d) from (select nextval(%[2]s) as drawn offset 0) x where x.drawn < ` + behindSQL + `;
select setval(%[2]s, ` + nowSQL + `) from (select nextval(%[2]s) as drawn offset 0) x where x.drawn < ` + behindSQL + `;
commit;
`

// nowSQL is the time to which a sequence is lifted, and behindSQL what one that is not
// lifted reaches. Both are of one moment, or a clock that is set back between would take
// the sequence back.
const (
	nowSQL    = "(extract(epoch from now()) * 1000000)::int8"
	behindSQL = nowSQL + " - 60000000"
)

var (
	errNoSequence  = errors.New("the sequence does not exist")
	errBadSequence = errors.New("the sequence cannot give fencing tokens")
)

func (o *Options) checkSequence(ctx context.Context, conn *pgconn.PgConn) (lifts bool, err error) {
	results, err := conn.Exec(ctx, fmt.Sprintf(sequenceSQL, quoteLiteral(quoteSequence(o.TokenSequence)))).ReadAll()
	if err != nil {
		return false, err
	}
	all, err := rows(results, 5)
	if err != nil {
		return false, err
	}
	if len(all) == 0 {
		return false, errNoSequence
	}
	row := all[0]
	increment, cached, cycles, usable := string(row[0]), string(row[1]), string(row[2]), string(row[3])
	switch {
	case increment != fmt.Sprint(tokensPerDraw) || cached != "1" || cycles != "f":
		return false, fmt.Errorf("%w: %s has increment %s, cache %s, cycle %s; it must have increment %d, cache 1 and no cycle",
			errBadSequence, o.TokenSequence, increment, cached, cycles, tokensPerDraw)
	case usable != "t":
		return false, fmt.Errorf("this role has no right to use it (SQLSTATE %s)", codeNoPrivilege)
	}
	return string(row[4]) == "t", nil
}

// createSequence creates the sequence. Another session may do so at the same
// time, which the server tells in several ways; then it is there.
func (o *Options) createSequence(ctx context.Context, conn *pgconn.PgConn) (lifts bool, err error) {
	_, err = conn.Exec(ctx, TokenSQL(o.TokenSequence)).ReadAll()
	lifts, again := o.checkSequence(ctx, conn)
	if err != nil && errors.Is(again, errNoSequence) {
		return false, err
	}
	return lifts, again
}
