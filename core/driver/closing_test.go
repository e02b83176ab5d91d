package driver

import (
	"context"
	"errors"
	"testing"

	"github.com/distlock/distlock-go/core"
)

// A claim that arrives while the engine is being closed: its hold is registered
// and lost again before the acquire returns.
type closingClaim struct{ engine *Engine }

func (c closingClaim) Claim(context.Context) (Claim, error) { return c, nil }
func (c closingClaim) Token() uint64                        { return 1 }
func (c closingClaim) Release(context.Context) error        { return nil }

func (c closingClaim) Watch(lost func(error)) {
	go func() { _ = c.engine.Close() }()
	<-c.engine.Context().Done()
	lost(core.ErrClosed)
}

func TestAcquireThatCloseOvertakes(t *testing.T) {
	e, err := New(Config{Backend: "fake"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.NewLock("a", closingClaim{e}).Acquire(t.Context())
	if !errors.Is(err, core.ErrClosed) || errors.Is(err, core.ErrUnavailable) {
		t.Errorf("Acquire: %v; an acquire that Close overtakes must match ErrClosed, and nothing else", err)
	}
}
