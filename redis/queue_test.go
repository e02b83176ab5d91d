package redis

import (
	"context"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
)

// One whose wait lease is short does not shorten for how long the server keeps the
// places of others, neither when it comes nor when it speaks up.
func TestAShortWaitLeaseIsOnesOwn(t *testing.T) {
	c := testServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	prefix := "short" + newInst()
	for _, kind := range []core.Kind{core.KindLock, core.KindRWLock} {
		t.Run(string(kind), func(t *testing.T) {
			var claims [3]*claimer // who holds, who waits patiently, and who does not
			for i, wait := range []time.Duration{time.Minute, time.Minute, 300 * time.Millisecond} {
				p, err := New(c, &Options{Prefix: prefix, WaitLease: wait})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				claims[i] = p.claimer(kind, "a", 'w', 1)
			}
			held, err := claims[0].Claim(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = held.Release(context.Background()) }()
			keys, hasty := claims[0].keys, claims[2].p.inst
			waiting, stop := context.WithCancel(ctx)
			defer stop()
			for i, w := range claims[1:] {
				go func() { _, _ = w.Wait(waiting, nil) }()
				for c.ZCard(ctx, keys[queueKey]).Val() != int64(i+1) {
					if ctx.Err() != nil {
						t.Fatal("the waiters do not queue")
					}
					time.Sleep(time.Millisecond)
				}
			}
			said := make(map[string]bool)
			for len(said) < 3 { // Each poll says it anew.
				if ctx.Err() != nil {
					t.Fatalf("it spoke up %d times", len(said))
				}
				if until := c.HGet(ctx, keys[waitersKey], hasty).Val(); until != "" {
					said[until] = true
				}
				for _, key := range []string{keys[queueKey], keys[waitersKey]} {
					if left := c.PTTL(ctx, key).Val(); left < 3*time.Minute {
						t.Fatalf("%s ends in %v, and one of the waiters speaks up every 20s", key, left)
					}
				}
			}
		})
	}
}
