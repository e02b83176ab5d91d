package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/distlock"
	"github.com/distlock/distlock-go/internal/history"
	"github.com/distlock/distlock-go/internal/judge"
)

// A worker is one of the processes.
type worker struct {
	Job
	rings  []*ring
	record *history.Recorder
}

// A ring is an object in the eyes of one process.
type ring struct {
	Object
	number int
	arena  *judge.Arena
	ways   []core.Lock // The first one is exclusive; the others are shared.
}

// mostOps is room for what a process does; where nothing is written the file has
// a hole.
const mostOps = 1 << 22

// work fights until the judge says stop.
func (j Job) work() error {
	logging.Disable() // Of dead servers, which are none of its reader's business.
	p, err := j.open()
	if err != nil {
		return err
	}
	w := &worker{Job: j}
	if w.record, err = history.Create(j.History, mostOps); err != nil {
		return err
	}
	for i, o := range j.Objects {
		arena, err := o.arena(j.Dir)
		if err != nil {
			return err
		}
		w.rings = append(w.rings, &ring{o, i, arena, ways(p, o)})
	}
	var all sync.WaitGroup
	for seat := j.First; seat < j.First+j.Seats; seat++ {
		all.Go(func() { w.fight(seat) })
	}
	all.Wait()
	return errors.Join(p.Close(), w.record.Close())
}

// open opens the provider. The server may be in trouble just now.
func (j Job) open() (core.Provider, error) {
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		p, err := distlock.Open(context.Background(), j.URL)
		if err == nil || time.Since(start) > time.Minute {
			return p, err
		}
	}
}

func ways(p core.Provider, o Object) []core.Lock {
	switch o.Kind {
	case core.KindRWLock:
		rw := p.NewRWLock(o.Name)
		return []core.Lock{core.Writer(rw), core.Reader(rw), core.Reader(rw)}
	case core.KindSemaphore:
		return []core.Lock{p.NewSemaphore(o.Name, o.Limit)}
	default:
		return []core.Lock{p.NewLock(o.Name)}
	}
}

// master is the arena that says when to stop.
func (w *worker) master() *judge.Arena { return w.rings[0].arena }

func (w *worker) fight(seat int) {
	for w.master().Stop.Load() == 0 {
		r := w.rings[rand.IntN(len(w.rings))]
		way := rand.IntN(len(r.ways))
		calm := w.master().Calm.Load() == 1
		patience := 5*time.Millisecond + rand.N(4*time.Second)
		if calm {
			patience = 30 * time.Second
		}
		now := history.Now()
		s := stay{seat: seat, shared: way > 0, calm: calm, asked: now, since: now}
		h, err := w.acquire(r, way, s, patience)
		switch {
		case err == nil:
			w.inside(r, h, s)
		case calm && errors.Is(err, context.DeadlineExceeded):
			r.arena.Fail(fmt.Errorf("nobody was in trouble any more, and yet: %w", err))
		case errors.Is(err, core.ErrUnavailable) && !calm:
			r.arena.Refused.Add(1)
			time.Sleep(rand.N(20 * time.Millisecond))
		case !errors.Is(err, core.ErrNotAcquired) && !errors.Is(err, context.DeadlineExceeded):
			r.arena.Fail(err)
		}
	}
}

// acquire waits, or tries, and writes it down.
func (w *worker) acquire(r *ring, way int, s stay, patience time.Duration) (h core.Handle, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	op := history.Op{Object: r.number, Seat: uint64(s.seat), Action: history.Acquire, Shared: s.shared}
	call := r.ways[way].Acquire
	if rand.IntN(8) == 0 {
		op.Action, call = history.Try, r.ways[way].TryAcquire
	}
	ticket := w.record.Begin(op)
	if h, err = call(ctx); err != nil {
		w.record.End(ticket, history.OutcomeOf(err), 0)
		return nil, err
	}
	w.record.End(ticket, history.OK, h.Token())
	return h, nil
}
