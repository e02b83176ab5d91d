package distlock

import (
	"context"
	"errors"
	"net/url"

	"github.com/distlock/distlock-go/postgres"
)

// PostgresProvider and PostgresOptions are those of package postgres.
type (
	PostgresProvider = postgres.Provider
	PostgresOptions  = postgres.Options
)

// OpenPostgres returns a provider whose locks are advisory locks of the database
// that a connection string names; see [postgres.Open].
func OpenPostgres(ctx context.Context, dsn string, opts *PostgresOptions) (*PostgresProvider, error) {
	return postgres.Open(ctx, dsn, opts)
}

// parsePostgres reads a postgres: URL. What is not one of our parameters is one
// of the connection, which the driver or the server knows or refuses.
func parsePostgres(a *address, opts Options) (opener, error) {
	o := postgres.Options{Owner: opts.Owner, Observer: opts.Observer}
	params := postgresParams(&o)
	rest := url.Values{}
	ours := *a
	ours.query = url.Values{}
	for name, values := range a.query {
		if hasParam(params, name) {
			ours.query[name] = values
		} else {
			rest[name] = values
		}
	}
	if err := ours.apply(params); err != nil {
		return nil, err
	}
	dsn := a.with(rest)
	return func(ctx context.Context) (Provider, error) { return provide(postgres.Open(ctx, dsn, &o)) }, nil
}

func postgresParams(o *PostgresOptions) []param {
	return []param{
		text("namespace", &o.Namespace),
		{"keys", func(value string) error {
			switch value {
			case "hashed":
				o.Keys = postgres.Hashed
			case "medallion":
				o.Keys = postgres.Medallion
			case "raw":
				o.Keys = postgres.Raw
			default:
				return errors.New("hashed, medallion or raw")
			}
			return nil
		}},
		number("max_holds", &o.MaxHolds),
		number("holds_per_session", &o.HoldsPerSession),
		number("max_waiters", &o.MaxWaiters),
		duration("wait_slice", &o.WaitSlice),
		duration("ping_interval", &o.PingInterval),
		duration("ping_timeout", &o.PingTimeout),
		duration("server_timeout", &o.ServerTimeout),
		duration("idle_timeout", &o.IdleTimeout),
		text("token_sequence", &o.TokenSequence),
		boolean("no_create", &o.NoCreate),
		boolean("require_token", &o.RequireToken),
		boolean("allow_pooler", &o.AllowPooler),
	}
}
