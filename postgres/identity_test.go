package postgres_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/postgres"
)

// Locks that have one key would wait for each other, so AcquireAll knows them for one
// before it asks the server; and others of the same name it does not.
func TestAcquireAllKnowsLocksByTheirKeys(t *testing.T) {
	config, err := pgx.ParseConfig("postgres://127.0.0.1:1") // Nobody is there.
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		keys     postgres.KeyScheme
		name, rw string // of a lock, and of a reader-writer lock
		one      bool   // are they one object?
	}{
		{keys: postgres.Hashed, name: "42", rw: "42"},
		{keys: postgres.Raw, name: "42", rw: "42", one: true},
		{keys: postgres.Raw, name: "1,2", rw: "1,2", one: true},
		{keys: postgres.Raw, name: "1,2", rw: "12"},
		{keys: postgres.Raw, name: "no key", rw: "no other key"},
		{keys: postgres.Medallion, name: "test", rw: "test", one: true},
		{keys: postgres.Medallion, name: "test", rw: "e9979f47,ffffffff", one: true},
		{keys: postgres.Medallion, name: "test", rw: "Test"},
	} {
		p, err := postgres.New(config, &postgres.Options{Keys: test.keys})
		if err != nil {
			t.Fatal(err)
		}
		id := func(l core.Lock) core.Identity { return l.(core.Identified).Identity() }
		l, w, s := p.NewLock(test.name), core.Writer(p.NewRWLock(test.rw)), p.NewSemaphore(test.name, 1)
		if one := id(l) == id(w); one != test.one {
			t.Errorf("scheme %d: the lock %q and the reader-writer lock %q are one: %t", test.keys, test.name, test.rw, one)
		}
		if id(l) == id(s) {
			t.Errorf("scheme %d: the lock and the semaphore %q are one", test.keys, test.name)
		}
		if _, err := core.AcquireAll(t.Context(), l, w); test.one && !errors.Is(err, core.ErrInvalid) {
			t.Errorf("scheme %d: AcquireAll of %q and %q: %v, want ErrInvalid", test.keys, test.name, test.rw, err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
