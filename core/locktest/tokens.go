package locktest

import (
	"sync"
	"sync/atomic"

	"github.com/distlock/distlock-go/core"
)

var tokenRules = []rule{
	{
		name:  "tokens-grow",
		text:  "The fencing tokens of a name grow strictly over all holders, however they got the lock; none is 0.",
		needs: []need{hasTokens},
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			var last uint64
			for range 2 {
				for _, other := range []core.Provider{p, q, q} {
					h := t.try(t.lock(other, name))
					last = t.greater(h, last)
					w := t.wait(t.lock(p, name))
					t.release(h)
					h = w.granted()
					last = t.greater(h, last)
					w = t.wait(t.lock(q, name))
					w.cancel()
					w.failed()
					t.release(h)
					h = t.acquire(t.lock(other, name))
					last = t.greater(h, last)
					t.release(h)
				}
			}
		},
	},
	{
		name:  "token-stays",
		text:  "The fencing token of a hold never changes, not even when the hold has ended.",
		needs: []need{hasTokens},
		test: func(t *trial) {
			p, name := t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			token := h.Token()
			t.release(h)
			next := t.acquire(t.lock(p, name))
			if h.Token() != token {
				t.Errorf("the token was %d, and is %d after the release", token, h.Token())
			}
			t.release(next)
		},
	},
	{
		name:  "tokens-grow-among-competitors",
		text:  "A resource that remembers the highest token it has seen never refuses the holder.",
		needs: []need{hasTokens},
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			var highest atomic.Uint64
			var all sync.WaitGroup
			for i := range 16 {
				l := t.lock([]core.Provider{p, q}[i%2], name)
				all.Go(func() {
					for range 10 {
						ctx, cancel := t.patient()
						h, err := l.Acquire(ctx)
						if err != nil {
							t.Errorf("Acquire failed: %v", err)
						} else {
							if before := highest.Load(); h.Token() <= before {
								t.Errorf("the token %d comes after %d", h.Token(), before)
							}
							highest.Store(h.Token())
							if err := h.Release(ctx); err != nil {
								t.Errorf("Release failed: %v", err)
							}
						}
						cancel()
					}
				})
			}
			t.finished(&all)
		},
	},
	{
		name:  "tokens-grow-after-a-loss",
		text:  "The token of whoever comes after a loss is greater than the loser's.",
		needs: []need{hasTokens, canLose},
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			var last uint64
			for range 2 {
				h := t.acquire(t.lock(p, name))
				last = t.greater(h, last)
				t.lose(p, name)
				next := t.soonFree(t.lock(q, name))
				last = t.greater(next, last)
				t.closed(h.Done(), "Done of a hold that was lost is closed")
				t.release(next)
			}
		},
	},
	{
		name:  "tokens-grow-over-providers",
		text:  "Tokens grow on when a provider has been closed and another one comes.",
		needs: []need{hasTokens},
		test: func(t *trial) {
			name := t.name()
			var last uint64
			for i := range 4 {
				p := t.open()
				h := t.acquire(t.lock(p, name))
				last = t.greater(h, last)
				if i%2 == 0 {
					t.release(h)
				}
				if err := p.Close(); err != nil {
					t.Fatalf("Close failed: %v", err)
				}
			}
		},
	},
}

// greater checks the token of a hold against the last one, and returns it.
func (t *trial) greater(h core.Handle, last uint64) uint64 {
	t.Helper()
	if h.Token() <= last {
		t.Fatalf("the token %d comes after %d", h.Token(), last)
	}
	return h.Token()
}
