package redis

import (
	"context"
	"errors"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/distlock/distlock-go/core"
)

// Break is the way out for an object whose key another program has overwritten:
// everything else leaves that alone.
func TestBreakOfWhatWasOverwritten(t *testing.T) {
	client := testServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p, err := New(client, &Options{Prefix: "broken" + newInst()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	l, err := NewRedLock([]goredis.UniversalClient{client}, &Options{Prefix: "broken" + newInst()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	vote := l.peers[0].p
	for name, c := range map[string]*claimer{
		"lock": p.sides(core.KindLock, "a")[0], "rwlock": p.sides(core.KindRWLock, "a")[0], "semaphore": p.sides(core.KindSemaphore, "a")[0],
		"lock by vote": vote.sides(core.KindLock, "a")[0], "rwlock by vote": vote.sides(core.KindRWLock, "a")[0], "semaphore by vote": vote.sides(core.KindSemaphore, "a")[0],
	} {
		if err := client.RPush(ctx, c.keys[stateKey], "data").Err(); err != nil {
			t.Fatal(err)
		}
		var trouble *TroubleError
		if _, err := c.p.Inspect(ctx, "a"); !errors.As(err, &trouble) || trouble.Trouble != WrongType {
			t.Errorf("%s: Inspect: %v", name, err)
		}
		if _, err := c.p.Break(ctx, c.kind, "a"); err != nil {
			t.Errorf("%s: Break: %v", name, err)
		}
		if n := client.Exists(ctx, c.keys[stateKey]).Val(); n != 0 {
			t.Errorf("%s: what it was overwritten with is still there", name)
			client.Del(ctx, c.keys[stateKey])
		}
		if _, err := c.p.Inspect(ctx, "a"); err != nil {
			t.Errorf("%s: Inspect after Break: %v", name, err)
		}
	}
	h, err := p.NewRWLock("a").TryAcquireWrite(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Release(ctx); err != nil {
		t.Error(err)
	}
}
