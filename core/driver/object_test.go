package driver

import (
	"testing"
	"testing/synctest"

	"github.com/distlock/distlock-go/core"
)

// A keyed claimer may say that its object has other names.
type keyed struct {
	fakeClaimer
	key string
}

func (k keyed) Key() (string, bool) { return k.key, k.key != "" }

func TestIdentity(t *testing.T) {
	f := &fake{}
	e := f.engine(t, nil)
	usual := core.Identity{Backend: "fake", Kind: core.KindLock, Name: "a", Provider: e}
	for name, c := range map[string]struct {
		claimer Claimer
		want    core.Identity
	}{
		"no key":   {fakeClaimer{f, "a"}, usual},
		"not ok":   {keyed{fakeClaimer{f, "a"}, ""}, usual},
		"of a key": {keyed{fakeClaimer{f, "a"}, "42"}, core.Identity{Backend: "fake", Name: "42", Provider: e}},
	} {
		if got := e.NewLock("a", c.claimer).(core.Identified).Identity(); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// The claimer of the tests that follow lets everybody in, so that only the local
// line keeps anybody out.

func TestTheLocalLineLetsReadersInTogether(t *testing.T) {
	e, err := New(Config{Backend: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	l := e.NewRWLock("a", new(instant), new(instant))
	for range 2 {
		h, err := l.TryAcquireRead(t.Context())
		if err != nil {
			t.Fatalf("a reader beside a reader: %v", err)
		}
		defer h.Release(t.Context())
	}
	if _, err := l.TryAcquireWrite(t.Context()); err == nil {
		t.Error("a writer came in beside the readers")
	}
}

func TestTheLocalLineHasRoomForTheLimitOfASemaphore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Config{Backend: "test"})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		s := e.NewSemaphore("a", 3, new(instant))
		if s.Limit() != 3 {
			t.Errorf("the limit is %d", s.Limit())
		}
		for i := range 3 {
			h, err := s.TryAcquire(t.Context())
			if err != nil {
				t.Fatalf("permit %d: %v", i, err)
			}
			defer h.Release(t.Context())
		}
		if _, err := s.TryAcquire(t.Context()); err == nil {
			t.Error("there is a fourth permit")
		}
	})
}
