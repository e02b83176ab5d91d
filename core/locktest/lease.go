package locktest

import (
	"time"

	"github.com/distlock/distlock-go/core"
)

var leaseRules = []rule{
	{
		name:  "holds-outlive-their-lease",
		text:  "A hold whose process is alive is renewed and does not end with its lease, whether it was granted at once or after a wait; and neither does the wait.",
		needs: []need{isRenewed},
		test: func(t *trial) { // E43, B23, C30
			p, q, name, read := t.open(), t.open(), t.name(), t.name()
			objects := func(p core.Provider) []core.Lock {
				return []core.Lock{p.NewLock(name), writer(p, name), p.NewSemaphore(name, 1), reader(p, read)}
			}
			waiting := objects(q)
			waiting[3] = writer(q, read) // For the reader.
			var held []core.Handle
			var waiters []*waiter
			for i, l := range objects(p) {
				held = append(held, t.acquire(l))
				waiters = append(waiters, t.wait(waiting[i]))
			}
			t.stand(held, waiters)
			for i, w := range waiters {
				t.release(held[i])
				held[i] = w.granted()
			}
			t.stand(held, nil)
			for _, l := range objects(p) {
				t.busy(l)
			}
			t.releaseAll(held)
		},
	},
}

// stand checks, for one and a half leases, that holds and waits go on.
func (t *trial) stand(held []core.Handle, waiters []*waiter) {
	t.Helper()
	for end := time.Now().Add(3 * t.h.Lease / 2); time.Now().Before(end); t.pause() {
		for _, h := range held {
			t.held(h)
		}
		for _, w := range waiters {
			if isClosed(w.done) {
				t.Fatalf("an Acquire that must wait has returned: error %v", w.err)
			}
		}
	}
}
