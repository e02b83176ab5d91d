package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
)

// errStale is what a store says to a holder of the past.
var errStale = errors.New("the token is stale: the lock has had another holder since")

// A store is a resource that the lock guards.
type store interface {
	write(ctx context.Context, token uint64, value string) error
	read(ctx context.Context) (string, error)
}

// An httpStore is a document behind HTTP. Its server remembers the greatest token
// that it has seen and refuses a smaller one, under a lock of its own: to compare
// and to write must be one step.
type httpStore struct{ server *httptest.Server }

func newHTTPStore() *httpStore {
	var mu sync.Mutex
	var greatest uint64
	var value string
	return &httpStore{httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Method != http.MethodPut {
			fmt.Fprint(w, value)
			return
		}
		token, err := strconv.ParseUint(r.Header.Get("Fencing-Token"), 10, 64)
		switch {
		case err != nil:
			http.Error(w, "the header Fencing-Token is missing", http.StatusPreconditionRequired)
		case token < greatest:
			http.Error(w, "the token is stale", http.StatusPreconditionFailed)
		default:
			greatest, value = token, r.URL.Query().Get("value")
		}
	}))}
}

func (s *httpStore) write(ctx context.Context, token uint64, value string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, s.server.URL, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Fencing-Token", strconv.FormatUint(token, 10))
	q := r.URL.Query()
	q.Set("value", value)
	r.URL.RawQuery = q.Encode()
	_, err = s.do(r)
	return err
}

func (s *httpStore) read(ctx context.Context) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server.URL, nil)
	if err != nil {
		return "", err
	}
	return s.do(r)
}

func (s *httpStore) do(r *http.Request) (string, error) {
	resp, err := s.server.Client().Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return "", err
	case resp.StatusCode == http.StatusPreconditionFailed:
		return "", errStale
	case resp.StatusCode != http.StatusOK:
		return "", errors.New(resp.Status)
	}
	return string(body), nil
}

// A sqlStore is a row of a table, which keeps the token beside the value.
type sqlStore struct{ conn *pgx.Conn }

func newSQLStore(ctx context.Context, url string) (*sqlStore, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	// A table of this session alone, so that the example leaves nothing behind.
	const create = `create temporary table document (id int primary key, value text, token bigint not null);
		insert into document values (1, '', 0)`
	if _, err := conn.Exec(ctx, create); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return &sqlStore{conn}, nil
}

// write compares and writes in one statement. A row that is not there any more,
// or whose token is greater, is not changed, and that is told apart by the count.
func (s *sqlStore) write(ctx context.Context, token uint64, value string) error {
	tag, err := s.conn.Exec(ctx, "update document set value = $1, token = $2 where id = 1 and token <= $2", value, token)
	if err == nil && tag.RowsAffected() == 0 {
		err = errStale
	}
	return err
}

func (s *sqlStore) read(ctx context.Context) (value string, err error) {
	err = s.conn.QueryRow(ctx, "select value from document where id = 1").Scan(&value)
	return value, err
}
