package postgres

import "github.com/jackc/pgx/v5/pgconn"

// rows returns the rows of the last statement, if they have so many columns. What
// answers may be no PostgreSQL, and answer anything.
func rows(results []*pgconn.Result, columns int) ([][][]byte, error) {
	if len(results) == 0 {
		return nil, errReply
	}
	all := results[len(results)-1].Rows
	for _, row := range all {
		if len(row) != columns {
			return nil, errReply
		}
	}
	return all, nil
}

// oneRow is rows for a statement that has one.
func oneRow(results []*pgconn.Result, columns int) ([][]byte, error) {
	all, err := rows(results, columns)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, errReply
	}
	return all[0], nil
}
