package locktest

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
)

var readerRules = []rule{
	{
		name: "readers-share",
		text: "Any number of readers hold a lock together, in one process or several.",
		test: func(t *trial) { // B19
			p, q, name := t.open(), t.open(), t.name()
			var held []core.Handle
			for range 30 {
				held = append(held, t.try(reader(p, name)), t.acquire(reader(q, name)))
			}
			for _, h := range held {
				t.held(h)
				t.release(h)
			}
		},
	},
	{
		name: "readers-and-writer-exclude-each-other",
		text: "A writer excludes everybody, and any one reader excludes writers.",
		test: func(t *trial) { // B19
			p, q, name := t.open(), t.open(), t.name()
			w := t.acquire(writer(p, name))
			for _, other := range []core.Provider{p, q} {
				t.busy(reader(other, name))
				t.busy(writer(other, name))
			}
			t.release(w)
			r1, r2 := t.acquire(reader(p, name)), t.acquire(reader(q, name))
			for _, r := range []core.Handle{r1, r2} {
				t.busy(writer(p, name))
				t.busy(writer(q, name))
				t.release(r)
			}
			t.release(t.try(writer(q, name)))
		},
	},
	{
		name: "writer-waits-for-the-last-reader",
		text: "A writer waits until the last reader has left, and then is alone.",
		test: func(t *trial) { // B19
			p, q, name := t.open(), t.open(), t.name()
			r1, r2 := t.acquire(reader(p, name)), t.acquire(reader(q, name))
			w := t.wait(writer(q, name))
			t.release(r2)
			w.blocked()
			t.held(r1)
			t.release(r1)
			h := w.granted()
			t.busy(reader(p, name))
			t.busy(writer(p, name))
			t.release(h)
			t.release(t.try(reader(p, name)))
			t.release(t.try(writer(p, name)))
		},
	},
	{
		name: "waiting-writer-stops-later-readers",
		text: "While a writer waits no reader that comes later gets in, neither by TryAcquireRead nor by AcquireRead; the writer is next.",
		test: func(t *trial) { // B20
			p, name := t.open(), t.name()
			t.writerStopsReaders(p, p, p, name)
		},
	},
	{
		name: "waiting-writer-stops-readers-of-other-providers",
		text: "While a writer waits no reader of another process that comes later gets in.",
		test: func(t *trial) { // B20
			p, q, r, name := t.open(), t.open(), t.open(), t.name()
			t.writerStopsReaders(p, q, r, name)
			t.writerStopsReaders(p, q, p, name)
			t.writerStopsReaders(p, q, q, name)
		},
	},
	{
		name: "readers-behind-a-writer-enter-together",
		text: "The readers that wait behind a writer all enter when it has left.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			h := t.acquire(writer(p, name))
			var waiters []*waiter
			for range 4 {
				waiters = append(waiters, t.start(reader(p, name)), t.start(reader(q, name)))
			}
			for _, w := range waiters {
				w.blocked()
			}
			t.release(h)
			var held []core.Handle
			for _, w := range waiters {
				held = append(held, w.granted())
			}
			t.busy(writer(q, name))
			for _, h := range held {
				t.release(h)
			}
		},
	},
	{
		name: "readers-and-writers-take-turns",
		text: "Neither side starves the other: of a reader, a writer and a reader that wait, in this order, each gets its turn.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			h := t.acquire(writer(p, name))
			r1 := t.wait(reader(p, name))
			w := t.wait(writer(p, name))
			r2 := t.wait(reader(p, name))
			t.release(h)
			t.release(r1.granted())
			// r2 may have entered with r1 or not; it must not hold w up once it has left.
			select {
			case <-r2.done:
				t.release(r2.granted())
				t.release(w.granted())
			case <-w.done:
				wh := w.granted()
				r2.blocked()
				t.release(wh)
				t.release(r2.granted())
			case <-time.After(t.patience() + t.h.Lease):
				t.Fatalf("the lock is free and a waiter is not let in")
			}
		},
	},
	{
		name: "writer-gets-in-among-overlapping-readers",
		text: "Readers that overlap without a gap do not starve a writer.",
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			r := newRelay(t, reader(p, name), reader(q, name))
			for i := range 2 {
				r.runFor(6)
				w := t.start(writer([]core.Provider{p, q}[i%2], name))
				t.release(w.granted())
			}
			r.stop()
		},
	},
	{
		name: "writer-that-gave-up-lets-readers-in",
		text: "A writer that waited and gave up leaves no mark: the readers behind it enter, and later ones too.",
		test: func(t *trial) { // B25
			p, q, name := t.open(), t.open(), t.name()
			r := t.acquire(reader(p, name))
			for _, other := range []core.Provider{p, q} {
				w := t.wait(writer(other, name))
				near, far := t.wait(reader(other, name)), t.wait(reader(p, name))
				w.cancel()
				t.matches("AcquireWrite", w.failed(), context.Canceled, core.ErrNotAcquired)
				t.release(near.granted())
				t.release(far.granted())
				t.release(t.soonFree(reader(q, name)))
			}
			t.release(r)
			t.release(t.soonFree(writer(q, name)))
		},
	},
	{
		name: "failed-writer-leaves-no-mark",
		text: "A TryAcquireWrite that failed, or an AcquireWrite that timed out, does not keep readers out.",
		test: func(t *trial) { // B25
			p, q, name := t.open(), t.open(), t.name()
			r := t.acquire(reader(p, name))
			for range 3 {
				t.busy(writer(q, name))
				t.release(t.try(reader(p, name)))
				_ = t.timesOut(writer(q, name))
				t.release(t.soonFree(reader(q, name)))
				t.release(t.soonFree(reader(p, name)))
			}
			t.release(r)
		},
	},
	{
		name: "no-upgrade",
		text: "A reader that asks to write gets no special treatment: it is refused while anybody reads, itself included, and nothing is stuck.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			r := t.acquire(reader(p, name))
			t.busy(writer(p, name))
			_ = t.timesOut(writer(p, name))
			t.held(r)
			t.release(r)
			t.release(t.soonFree(writer(p, name)))
		},
	},
	{
		name: "release-of-one-reader-spares-the-others",
		text: "A reader that releases, even twice, does not end another reader's hold.",
		test: func(t *trial) {
			p, name := t.open(), t.name()
			r1, r2 := t.acquire(reader(p, name)), t.acquire(reader(p, name))
			t.release(r1)
			t.release(r1)
			t.held(r2)
			t.busy(writer(p, name))
			t.busy(writer(t.open(), name))
			t.release(r2)
			t.release(t.try(writer(p, name)))
		},
	},
	{
		name:  "tokens-of-readers-and-writers-grow",
		text:  "Every hold has a token of its own; a writer's is greater than those of all who held the lock before, and smaller than those of all who come after.",
		needs: []need{hasTokens},
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			var last uint64
			for range 4 {
				w := t.acquire(writer(p, name))
				last = t.greater(w, last)
				t.release(w)
				r1, r2 := t.acquire(reader(p, name)), t.acquire(reader(q, name))
				last = t.greater(r2, t.greater(r1, last))
				t.release(r2)
				t.release(r1)
			}
		},
	},
	{
		name:  "readers-learn-of-a-loss",
		text:  "Readers whose holds are lost learn of it, and a writer gets in.",
		needs: []need{canLose},
		test: func(t *trial) {
			p, q, name := t.open(), t.open(), t.name()
			r1, r2 := t.acquire(reader(p, name)), t.acquire(reader(p, name))
			w := t.wait(writer(q, name))
			t.loseHolds(p, core.KindRWLock, name)
			for _, r := range []core.Handle{r1, r2} {
				t.closed(r.Done(), "Done of a reader that was lost is closed")
				t.lost(r)
			}
			t.release(w.granted())
		},
	},
	{
		name: "readers-and-writers-under-stress",
		text: "A writer is alone and readers are among themselves, whatever mixture of reads, writes, timeouts and cancels goes on.",
		test: func(t *trial) {
			providers := []core.Provider{t.open(), t.open(), t.open()}
			name := t.name()
			var inside rwGate
			var all sync.WaitGroup
			for i := range 24 {
				p := providers[i%3]
				all.Go(func() {
					for range 15 {
						if rand.IntN(3) == 0 {
							readOrWrite(t, writer(p, name), inside.write)
						} else {
							readOrWrite(t, reader(p, name), inside.read)
						}
					}
				})
			}
			t.finished(&all)
			t.release(t.soonFree(writer(providers[0], name)))
		},
	},
}

func reader(p core.Provider, name string) core.Lock { return core.Reader(p.NewRWLock(name)) }
func writer(p core.Provider, name string) core.Lock { return core.Writer(p.NewRWLock(name)) }

// writerStopsReaders has a writer of q wait for a reader of p, and readers of r
// come later.
func (t *trial) writerStopsReaders(p, q, r core.Provider, name string) {
	t.Helper()
	first := t.acquire(reader(p, name))
	w := t.wait(writer(q, name))
	t.soonBusy(reader(r, name))
	late := t.wait(reader(r, name))
	t.busy(reader(r, name))
	t.release(first)
	h := w.granted()
	late.blocked()
	t.release(h)
	t.release(late.granted())
}
