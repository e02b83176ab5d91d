package locktest

import "time"

var leaseRules = []rule{
	{
		name:  "outlives-its-lease",
		text:  "A hold whose process is alive is renewed and does not end with its lease; neither does a wait.",
		needs: []need{isRenewed},
		test: func(t *trial) { // E43, C30
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(t.lock(p, name))
			w := t.wait(t.lock(q, name))
			for end := time.Now().Add(5 * t.h.Lease / 2); time.Now().Before(end); {
				t.held(h)
				w.blocked()
			}
			t.busy(t.lock(q, name))
			t.release(h)
			next := w.granted()
			for end := time.Now().Add(3 * t.h.Lease / 2); time.Now().Before(end); {
				t.held(next)
				t.pause()
			}
			t.busy(t.lock(p, name))
			t.release(next)
		},
	},
}
