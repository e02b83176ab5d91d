package filetorture

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/file"
	"github.com/distlock/distlock-go/internal/judge"
)

// A Job is what one process does.
type Job struct {
	Dir   string    // with the locks
	Arena string    // the file of the arena
	Kind  core.Kind // what the fight is for
	Limit int       // of the semaphore
	First int       // the process's first seat
	Seats int       // how many goroutines it has
}

// Name is what the fight is for.
const Name = "torture"

// Work does a job until the arena says stop.
func Work(job Job) error {
	arena, err := judge.OpenArena(job.Arena)
	if err != nil {
		return err
	}
	p, err := file.New(job.Dir, nil)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for seat := job.First; seat < job.First+job.Seats; seat++ {
		all.Go(func() { fight(arena, p, job, seat) })
	}
	all.Wait()
	return p.Close()
}

func fight(arena *judge.Arena, p *file.Provider, job Job, seat int) {
	locks := []core.Lock{p.NewLock(Name)}
	switch job.Kind {
	case core.KindRWLock:
		rw := p.NewRWLock(Name)
		locks = []core.Lock{core.Writer(rw), core.Reader(rw), core.Reader(rw)}
	case core.KindSemaphore:
		locks = []core.Lock{p.NewSemaphore(Name, job.Limit)}
	}
	for arena.Stop.Load() == 0 {
		i := rand.IntN(len(locks))
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond+rand.N(2*time.Second))
		h, err := acquire(ctx, locks[i])
		cancel()
		switch {
		case err == nil:
			inside(arena, job, h, seat, i > 0)
		case errors.Is(err, core.ErrNotAcquired), errors.Is(err, context.DeadlineExceeded):
		case strings.Contains(err.Error(), "removed or replaced"):
			arena.Losses.Add(1) // The hold was lost before it had begun.
		default:
			arena.Failed.Add(err)
		}
		if rand.IntN(4) == 0 {
			time.Sleep(rand.N(2 * time.Millisecond))
		}
	}
}

func acquire(ctx context.Context, l core.Lock) (core.Handle, error) {
	if rand.IntN(8) == 0 {
		return l.TryAcquire(ctx)
	}
	return l.Acquire(ctx)
}

// inside is a critical section.
func inside(arena *judge.Arena, job Job, h core.Handle, seat int, shared bool) {
	next := arena.Cases.Load()
	arena.Enter(seat, shared, job.Limit)
	// Permits are granted at the same time, so the order in which they come here is
	// not that of their tokens.
	if fresh := arena.Draw(h.Token(), shared); !fresh && job.Kind != core.KindSemaphore && h.Err() == nil {
		arena.Behind.Add(1)
	}
	held := func() bool { return h.Err() == nil }
	for end := time.Now().Add(rand.N(400 * time.Microsecond)); ; {
		next = arena.Answer(seat, next, held)
		if !time.Now().Before(end) {
			break
		}
		time.Sleep(20 * time.Microsecond)
	}
	// Who opens a case from here on finds this seat out, or has it answered below.
	arena.Leave(seat)
	arena.Answer(seat, next, held)
	arena.Holds.Add(1)
	if !held() {
		arena.Losses.Add(1)
	}
	err := h.Release(context.Background())
	if err != nil && !errors.Is(err, core.ErrLost) {
		arena.Failed.Add(err)
	}
}
