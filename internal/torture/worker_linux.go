package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	first  int // its first seat
	rings  []*ring
	record *history.Recorder
	pulse  pulse
}

// A ring is an object in the eyes of one process.
type ring struct {
	Object
	number int
	arena  *judge.Arena
	ways   []core.Lock // The first one is exclusive; the others are shared.
}

// ordered reports whether holds follow each other, and so do their tokens.
func (r *ring) ordered() bool { return r.Kind != core.KindSemaphore || r.Limit == 1 }

// mostOps is room for what a process does; where nothing is written the file has
// a hole.
const mostOps = 1 << 20

// work stands by until it is told its first seat, if ever, and then fights until
// the judge says stop. Nothing may be left of the provider then.
func (j Job) work() error {
	logging.Disable() // Of dead servers, which are none of its reader's business.
	clean := tidy()
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
	if _, err := fmt.Scanln(&w.first); err == nil {
		w.fightAll()
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	err = errors.Join(p.Close(), w.record.Close())
	if leak := clean(); leak != nil {
		w.master().Leaked.Add(leak)
	}
	for _, r := range w.rings {
		err = errors.Join(err, r.arena.Close())
	}
	return err
}

func (w *worker) fightAll() {
	ctx, cancel := context.WithCancel(context.Background())
	var beating sync.WaitGroup
	beating.Go(func() { w.pulse.beat(ctx, func() int64 { return w.master().Woke[w.first].Load() }) })
	defer beating.Wait()
	defer cancel()
	var all sync.WaitGroup
	for seat := w.first; seat < w.first+w.Seats; seat++ {
		// From the beginning on, what this process says of its holds counts, and not
		// how long it lived: it may be killed before a handle was first asked.
		w.record.Assure(uint64(seat), 0)
		all.Go(func() { w.fight(seat) })
	}
	all.Wait()
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
			patience = w.Patience
		}
		s := &stay{ring: r, seat: seat, shared: way > 0, calm: calm}
		err := w.acquire(s, way, patience)
		switch {
		case err == nil:
			w.inside(s)
		case calm && s.ended:
			r.arena.Failed.Add(fmt.Errorf("nobody was in trouble any more, and yet: %w", err))
		case errors.Is(err, core.ErrUnavailable):
			s.refused(err)
			time.Sleep(rand.N(20 * time.Millisecond))
		case !errors.Is(err, core.ErrNotAcquired) && !errors.Is(err, context.DeadlineExceeded):
			r.arena.Failed.Add(err)
		}
	}
}

// acquire waits, or tries, and writes it down.
func (w *worker) acquire(s *stay, way int, patience time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	op := history.Op{Object: s.number, Seat: uint64(s.seat), Action: history.Acquire, Shared: s.shared}
	call := s.ways[way].Acquire
	if rand.IntN(8) == 0 {
		op.Action, call = history.Try, s.ways[way].TryAcquire
	}
	ticket := w.record.Begin(op)
	s.asked = history.Now()
	if s.h, err = call(ctx); err != nil {
		s.ended = ctx.Err() != nil // What timed out may also have been a single request.
		w.record.End(ticket, history.OutcomeOf(err), 0)
		return err
	}
	w.record.End(ticket, history.OK, s.h.Token())
	return nil
}
