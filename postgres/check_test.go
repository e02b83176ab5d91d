package postgres_test

import (
	"testing"

	"github.com/distlock/distlock-go/postgres"
)

// Check takes and releases a lock under every scheme, also one that has no name to
// spare for it.
func TestCheckUnderEveryScheme(t *testing.T) {
	for _, scheme := range []postgres.KeyScheme{postgres.Hashed, postgres.Medallion, postgres.Raw} {
		if r, err := open(t, &postgres.Options{Keys: scheme}).Check(t.Context()); err != nil || r.Version == 0 {
			t.Errorf("Check under scheme %d says %+v, %v", scheme, r, err)
		}
	}
}
