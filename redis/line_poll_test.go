package redis

import (
	"context"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A lock that another program holds, by SET NX and DEL, is looked at again and again,
// because nobody will tell when it is free.
func TestAForeignHolderIsPolled(t *testing.T) {
	c := testServer(t)
	p, err := New(c, &Options{Prefix: "foreign" + newInst(), WaitLease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // Half of the pause that a holder of ours is left for.
	defer cancel()
	keys := p.keys(core.KindLock, "a")
	defer c.Del(context.Background(), keys[:]...)
	if err := c.SetNX(ctx, keys[stateKey], "someone", time.Minute).Err(); err != nil {
		t.Fatal(err)
	}
	got := make(chan core.Handle, 1)
	go func() {
		h, err := p.NewLock("a").Acquire(ctx)
		if err != nil {
			t.Error(err)
		}
		got <- h
	}()
	said := make(map[string]bool) // until when it is taken for alive: each poll says so anew
	for len(said) < 5 {
		if ctx.Err() != nil {
			t.Fatalf("it spoke up %d times", len(said))
		}
		if until := c.HGet(ctx, keys[waitersKey], p.inst).Val(); until != "" {
			said[until] = true
		}
		time.Sleep(time.Millisecond)
	}
	if err := c.Del(ctx, keys[stateKey]).Err(); err != nil {
		t.Fatal(err)
	}
	if h := <-got; h != nil {
		if err := h.Release(ctx); err != nil {
			t.Error(err)
		}
	}
}
