package schedules

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distlock/distlock-go/core/memory"
	"github.com/distlock/distlock-go/internal/history"
)

// A world is a schedule that runs.
type world struct {
	Schedule
	plan
	book     book
	resource resource
	store    *store
	server   *memory.Server
	fleet    *fleet
	down     atomic.Bool
	healed   atomic.Bool

	mu       sync.Mutex
	nodes    []*node // all that ever were
	problems []string

	seats    sync.WaitGroup
	watchers sync.WaitGroup
	closing  sync.WaitGroup
	flying   sync.WaitGroup
}

// Run runs the schedule and returns what is wrong, or nil. It must be called in a
// testing/synctest bubble.
func (s Schedule) Run() error {
	w := &world{Schedule: s, plan: s.plan()}
	w.book.dead = make(map[uint64]bool)
	switch s.Backend {
	case Memory:
		w.server = memory.NewServer()
	case Redis, RedLock:
		w.fleet = w.newFleet()
	default:
		w.store = newStore(s)
	}
	for range w.plan.nodes {
		if err := w.open(true); err != nil {
			return err
		}
	}
	w.direct()
	w.seats.Wait()
	w.finish()
	w.closing.Wait()
	w.watchers.Wait()
	w.flying.Wait()
	return w.verdict()
}

// open adds a node, with its seats if it has any.
func (w *world) open(seated bool) error {
	w.mu.Lock()
	id := len(w.nodes) + 1
	n := &node{id: id, wire: &wire{Schedule: w.Schedule, plan: w.plan, node: uint64(id), healed: &w.healed, down: &w.down, flying: &w.flying}}
	n.ctx, n.crash = context.WithCancel(context.Background())
	w.nodes = append(w.nodes, n)
	w.mu.Unlock()
	var err error
	switch {
	case w.server != nil:
		err = n.openMemory(w.server)
	case w.fleet != nil:
		err = n.openFleet(w.fleet)
	default:
		err = n.openEngine(w.store)
	}
	if err != nil || !seated {
		return err
	}
	for i := range w.plan.seats {
		s := &seat{world: w, n: n, id: n.seat(i)}
		s.r = w.rng(400, s.id)
		w.seats.Go(s.run)
	}
	return nil
}

func (n *node) seat(i int) uint64 { return uint64(n.id*16 + i) }

func (w *world) problem(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// direct makes trouble for a while, and ends it.
func (w *world) direct() {
	r := w.rng(500, 0)
	for range w.events {
		time.Sleep(between(r, 0, w.eventGap))
		w.event(r)
	}
	time.Sleep(between(r, 0, w.eventGap))
	w.healed.Store(true)
	w.down.Store(false)
	for _, n := range w.alive() {
		n.cutOff(false)
	}
}

// event does one thing to the server or to a node.
func (w *world) event(r *rand.Rand) {
	alive := w.alive()
	n := alive[r.IntN(len(alive))]
	d := between(r, 0, 2*term)
	switch what := r.IntN(6); {
	case what == 0:
		w.crash(n)
		if err := w.open(true); err != nil {
			w.problem("a new node: %v", err)
		}
	case what == 1, what == 2 && w.fleet != nil:
		n.cutOff(true)
		time.Sleep(d)
		n.cutOff(false)
	case w.fleet != nil:
		w.fleet.event(r)
	case what == 2 || w.store == nil: // memory's server is not ours
		w.down.Store(true)
		time.Sleep(d)
		w.down.Store(false)
	case what == 3 || what == 4:
		w.down.Store(true)
		w.store.restart(what == 3)
		time.Sleep(d / 8)
		w.down.Store(false)
	case what == 5:
		w.store.setBack(d)
	}
}

// alive returns the nodes that have not crashed.
func (w *world) alive() (alive []*node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.nodes {
		if n.ctx.Err() == nil {
			alive = append(alive, n)
		}
	}
	return alive
}

// crash ends a node without notice: its seats see no more, none of its messages
// leaves, and what is under way arrives all the same. Its engine, which a real
// end would stop, must come to rest by itself.
func (w *world) crash(n *node) {
	seats := make([]uint64, w.plan.seats)
	for i := range seats {
		seats[i] = n.seat(i)
	}
	w.book.crash(seats)
	n.cutOff(true)
	n.crash()
	w.close(n, "after a crash")
}

// close closes a node, which must not take longer than the attempts to give back
// what is left.
func (w *world) close(n *node, when string) {
	w.closing.Go(func() {
		began := time.Now()
		if err := n.close(); err != nil {
			w.problem("Close %s: %v", when, err)
		}
		if took := time.Since(began); took > 10*time.Second+2*w.releaseTimeout() {
			w.problem("Close %s took %v", when, took)
		}
	})
}

// finish looks at what is left when all is well again.
func (w *world) finish() {
	if w.store != nil {
		// Whatever was given back late has been by now: an attempt that hangs, and
		// the longest pause before the next one.
		time.Sleep(w.releaseTimeout() + 1100*time.Millisecond)
		if left := w.store.left(w.excused); len(left) > 0 {
			w.problem("holds that nobody has given back: %+v", left)
		}
	}
	if w.fleet != nil {
		if left := w.fleet.left(); len(left) > 0 {
			w.problem("what nobody has given back: %v", left)
		}
	}
	w.handOver()
	for _, n := range w.alive() {
		w.close(n, "in the end")
	}
}

// excused reports whether a node need not give back what it holds: it has
// crashed, or its network was in trouble for so long that it has told that it gave
// up, and leaves the rest to the lease; which lives longer if the server's clock
// was set back.
func (w *world) excused(node int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.nodes[node-1]
	return n.ctx.Err() != nil || n.gaveUp.Load()
}

// handOver has a holder of all there is and a waiter of another node: the waiter
// must be served soon after the release, although events still get lost.
func (w *world) handOver() {
	alive := w.alive()
	a, b := alive[0], alive[1]
	// Leases of those who crashed, what came late, a clock that was set back.
	patient, cancel := context.WithTimeout(context.Background(), 40*term)
	defer cancel()
	fill := 1
	if w.Kind == history.Semaphore {
		fill = w.limit
	}
	var release []func(context.Context) error
	for range fill {
		h, err := a.lock(false).Acquire(patient)
		if err != nil {
			w.problem("in the end the object is not free: %v", err)
			return
		}
		release = append(release, h.Release)
	}
	var released atomic.Int64
	began := time.Now()
	var all sync.WaitGroup
	all.Go(func() {
		h, err := b.lock(false).Acquire(patient)
		if err != nil {
			w.problem("in the end a waiter is not served: %v", err)
			return
		}
		if took := time.Since(began) - time.Duration(released.Load()); took > 2*time.Second {
			w.problem("a waiter was served %v after the release", took)
		}
		_ = h.Release(patient)
	})
	time.Sleep(term)
	released.Store(int64(time.Since(began)))
	for _, r := range release {
		if err := r(patient); err != nil {
			w.problem("in the end a release fails: %v", err)
		}
	}
	all.Wait()
}

// verdict judges what the seats saw.
func (w *world) verdict() error {
	w.book.mu.Lock()
	defer w.book.mu.Unlock()
	objects := history.ByObject(w.book.ops)
	if err := history.Check(w.object(), objects[theObject], time.Hour); err != nil {
		w.problem("%v", err)
	}
	guarded := history.Object{Name: "resource", Kind: history.Resource}
	if err := history.Check(guarded, objects[theResource], time.Hour); err != nil {
		w.problem("%v", err)
	}
	if w.problems != nil {
		return fmt.Errorf("%s", strings.Join(w.problems, "\n"))
	}
	return nil
}
