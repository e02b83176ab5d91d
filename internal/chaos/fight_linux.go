package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/internal/judge"
)

// Kinds are what is fought for, each under Name.
var Kinds = []core.Kind{core.KindLock, core.KindRWLock, core.KindSemaphore}

// Name is the name of what is fought for.
const Name = "chaos"

// A Fight is what one process does until the arenas say stop.
type Fight struct {
	Dir     string // of the arenas
	First   int    // the process's first seat
	Seats   int    // how many goroutines it has for each primitive
	Permits int    // of the semaphore

	Patience func() time.Duration // of an Acquire
	Stay     func() time.Duration // inside
	Look     time.Duration        // between two looks at the handle
	Mercy    func(error) bool     // what an Acquire or a Release may fail with

	// Unwise is the negative control: now and then, who was not let in goes in.
	Unwise bool
}

// Run fights with the locks of a provider.
func (f Fight) Run(p core.Provider) error {
	var all sync.WaitGroup
	defer all.Wait()
	for _, kind := range Kinds {
		arena, err := judge.OpenArena(filepath.Join(f.Dir, string(kind)))
		if err != nil {
			return err
		}
		for seat := f.First; seat < f.First+f.Seats; seat++ {
			s := stand{Fight: f, arena: arena, kind: kind, seat: seat, limit: 1}
			if kind == core.KindSemaphore {
				s.limit = f.Permits
			}
			all.Go(func() { s.fight(p) })
		}
	}
	return nil
}

// A stand is what one goroutine fights with.
type stand struct {
	Fight
	arena *judge.Arena
	kind  core.Kind
	seat  int
	limit int // how many may be inside
}

// locks are what it takes by turns; all but the first one are shared.
func (s stand) locks(p core.Provider) []core.Lock {
	switch s.kind {
	case core.KindRWLock:
		rw := p.NewRWLock(Name)
		return []core.Lock{core.Writer(rw), core.Reader(rw), core.Reader(rw)}
	case core.KindSemaphore:
		return []core.Lock{p.NewSemaphore(Name, s.limit)}
	default:
		return []core.Lock{p.NewLock(Name)}
	}
}

func (s stand) fight(p core.Provider) {
	locks := s.locks(p)
	for s.arena.Stop.Load() == 0 {
		i := rand.IntN(len(locks))
		ctx, cancel := context.WithTimeout(context.Background(), s.Patience())
		h, err := locks[i].Acquire(ctx)
		cancel()
		switch {
		case err == nil:
			s.stay(h, i > 0)
		case s.Unwise && rand.IntN(2) == 0:
			s.intrude(i > 0)
		case errors.Is(err, core.ErrNotAcquired), errors.Is(err, context.DeadlineExceeded):
		case s.forgiven(err):
			time.Sleep(rand.N(50 * time.Millisecond))
		default:
			s.arena.Failed.Add(err)
		}
	}
}

func (s stand) forgiven(err error) bool { return s.Mercy != nil && s.Mercy(err) }

// stay is a critical section.
func (s stand) stay(h core.Handle, shared bool) {
	next := s.arena.Cases.Load()
	s.arena.Enter(s.seat, shared, s.limit)
	// Permits are granted at the same time, so the order in which they come here is
	// not that of their tokens.
	if fresh := s.arena.Draw(h.Token(), shared); !fresh && s.kind != core.KindSemaphore && h.Err() == nil {
		s.arena.Behind.Add(1)
	}
	held := func() bool { return h.Err() == nil }
	for end := time.Now().Add(s.Stay()); time.Now().Before(end); time.Sleep(s.Look) {
		next = s.arena.Answer(s.seat, next, held)
	}
	next = s.arena.Answer(s.seat, next, held)
	// Who opens a case from here on finds this seat out, or has it answered below.
	s.arena.Leave(s.seat)
	s.arena.Answer(s.seat, next, held)
	s.arena.Holds.Add(1)
	if !held() {
		s.arena.Losses.Add(1)
	}
	if err := h.Release(context.Background()); err != nil && !errors.Is(err, core.ErrLost) && !s.forgiven(err) {
		s.arena.Failed.Add(err)
	}
}

// intrude is a critical section without a lock, by one who insists that it holds.
func (s stand) intrude(shared bool) {
	insist := func() bool { return true }
	s.arena.Enter(s.seat, shared, s.limit)
	s.arena.Answer(s.seat, 0, insist)
	time.Sleep(time.Millisecond)
	s.arena.Answer(s.seat, 0, insist)
	s.arena.Leave(s.seat)
}
