package driver

import (
	"context"
	"errors"
	"testing"

	"github.com/distlock/distlock-go/core"
)

// A tellable claim knows whether it still stands.
type tellable struct{ ended error }

func (c *tellable) Claim(context.Context) (Claim, error) { return c, nil }
func (c *tellable) Token() uint64                        { return 1 }
func (c *tellable) Release(context.Context) error        { return nil }
func (c *tellable) Check() error                         { return c.ended }

func TestErrAsksACheckedClaim(t *testing.T) {
	e, err := New(Config{Backend: "fake", NeverBlocks: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c := new(tellable)
	h, err := e.NewLock("a", c).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Err(); err != nil {
		t.Fatalf("the claim stands, but Err is %v", err)
	}
	c.ended = errors.New("the file is gone")
	for _, err := range []error{h.Err(), h.Release(t.Context())} {
		if !errors.Is(err, core.ErrLost) || !errors.Is(err, c.ended) {
			t.Errorf("the error is %v; it must match ErrLost and the cause", err)
		}
	}
	<-h.Done()
}
