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
	"github.com/distlock/distlock-go/internal/judge"
)

// A worker is one of the processes.
type worker struct {
	Job
	rings []*ring
}

// A ring is an object in the eyes of one process.
type ring struct {
	Object
	arena *judge.Arena
	ways  []core.Lock // The first one is exclusive; the others are shared.
}

// work fights until the judge says stop.
func (j Job) work() error {
	logging.Disable() // Of dead servers, which are none of its reader's business.
	p, err := j.open()
	if err != nil {
		return err
	}
	w := &worker{Job: j}
	for _, o := range j.Objects {
		arena, err := o.arena(j.Dir)
		if err != nil {
			return err
		}
		w.rings = append(w.rings, &ring{o, arena, ways(p, o)})
	}
	var all sync.WaitGroup
	for seat := j.First; seat < j.First+j.Seats; seat++ {
		all.Go(func() { w.fight(seat) })
	}
	all.Wait()
	return p.Close()
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
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		h, err := acquire(ctx, r.ways[way])
		cancel()
		switch {
		case err == nil:
			w.inside(r, h, stay{seat, way > 0, calm})
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

func acquire(ctx context.Context, l core.Lock) (core.Handle, error) {
	if rand.IntN(8) == 0 {
		return l.TryAcquire(ctx)
	}
	return l.Acquire(ctx)
}
