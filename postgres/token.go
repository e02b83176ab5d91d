package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// DefaultTokenSequence is the sequence of Options that name none. It is named
// with its schema, because two processes with different search paths must not
// draw from two sequences.
const DefaultTokenSequence = "public.distlock_token"

// timelineShift is where the timeline stands in a token.
//
// A token is timeline<<48 + n. n comes from one sequence for all names. It survives
// a crash of the server, whose log may lack the last values: see leapSQL.
// The timeline grows when a standby is promoted, which may have missed the last
// values of n. What is left: a database that was dumped and restored into a new
// cluster begins again, unless the sequence is set to its old value.
const timelineShift = 48

// TokenSQL returns the statements that create the sequence of fencing tokens, of
// that name (empty: the default), and let every role draw from it. A role that
// may create it runs them by itself, unless Options.NoCreate is set.
func TokenSQL(sequence string) string {
	q := quoteSequence(cmpOr(sequence, DefaultTokenSequence))
	return fmt.Sprintf("create sequence if not exists %s as bigint minvalue %d increment by %d cache 1 no cycle;\n"+
		"grant usage on sequence %s to public;", q, tokensPerDraw, tokensPerDraw, q)
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
// from it, and whether it is one that tokens can be drawn from.
const sequenceSQL = `select s.seqincrement, s.seqcache, s.seqcycle, has_sequence_privilege(s.seqrelid, 'USAGE')
from pg_catalog.pg_sequence s where s.seqrelid = to_regclass(%s)`

// prepareTokens makes sure that tokens can be drawn, and returns the quoted name
// of the sequence, or "" if there is none and none is required.
func (o *Options) prepareTokens(ctx context.Context, conn *pgconn.PgConn) (string, error) {
	why := o.checkSequence(ctx, conn)
	if errors.Is(why, errNoSequence) && !o.NoCreate {
		why = o.createSequence(ctx, conn)
	}
	if why == nil {
		_, err := conn.Exec(ctx, fmt.Sprintf(leapSQL, quoteLiteral(quoteSequence(o.TokenSequence)))).ReadAll()
		return quoteSequence(o.TokenSequence), err
	}
	switch {
	case errors.Is(why, errBadSequence):
		return "", invalid("%v", why)
	case conn.IsClosed():
		return "", why
	case o.RequireToken:
		return "", fmt.Errorf("%w from %s (%w); let the owner of the schema run:\n%s", ErrNoToken, o.TokenSequence, why, TokenSQL(o.TokenSequence))
	}
	return "", nil
}

// leapSQL leaves out values that may have been drawn before a crash. PostgreSQL logs
// 32 draws at a time, and makes only the transaction which does that wait until the
// log is written; others get the rest of the 32 at once, and a crash takes them back.
// Each 32 that may be missing had a session that waited for its commit, so this is
// enough for 16 of those. A crash ends all sessions, so each begins with it; as values
// are tokensPerDraw apart, there are enough for 2^31 sessions.
const leapSQL = `select max(nextval(%s)) from generate_series(1, 512)`

var (
	errNoSequence  = errors.New("the sequence does not exist")
	errBadSequence = errors.New("the sequence cannot give fencing tokens")
)

func (o *Options) checkSequence(ctx context.Context, conn *pgconn.PgConn) error {
	results, err := conn.Exec(ctx, fmt.Sprintf(sequenceSQL, quoteLiteral(quoteSequence(o.TokenSequence)))).ReadAll()
	if err != nil {
		return err
	}
	all, err := rows(results, 4)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errNoSequence
	}
	row := all[0]
	increment, cached, cycles, usable := string(row[0]), string(row[1]), string(row[2]), string(row[3])
	switch {
	case increment != fmt.Sprint(tokensPerDraw) || cached != "1" || cycles != "f":
		return fmt.Errorf("%w: %s has increment %s, cache %s, cycle %s; it must have increment %d, cache 1 and no cycle",
			errBadSequence, o.TokenSequence, increment, cached, cycles, tokensPerDraw)
	case usable != "t":
		return fmt.Errorf("this role has no right to use it (SQLSTATE %s)", codeNoPrivilege)
	}
	return nil
}

// createSequence creates the sequence. Another session may do so at the same
// time, which the server tells in several ways; then it is there.
func (o *Options) createSequence(ctx context.Context, conn *pgconn.PgConn) error {
	_, err := conn.Exec(ctx, TokenSQL(o.TokenSequence)).ReadAll()
	if err == nil {
		return nil
	}
	if again := o.checkSequence(ctx, conn); again == nil || !errors.Is(again, errNoSequence) {
		return again
	}
	return err
}
