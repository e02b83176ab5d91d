package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// provider returns one whose only connection is that to the scripted server. It
// gives up giving back at once.
func (s *scripted) provider() *Provider {
	s.Helper()
	engine, err := driver.New(driver.Config{
		Backend: "postgres", BoundsItself: true,
		ReleaseTimeout: 2 * time.Millisecond, GiveBackTimeout: 4 * time.Millisecond,
	})
	if err != nil {
		s.Fatal(err)
	}
	p := s.session.pool
	p.closing = engine.Context().Done()
	p.carriers = append(p.carriers, s.session)
	s.Cleanup(func() { _ = engine.Close() })
	return &Provider{opts: p.opts, engine: engine, pool: p, queue: newQueue(engine, p, p.opts)}
}

// An answer may take longer than what is given back has time for. What it grants is
// given up all the same: nobody else would, for as long as the session lives.
func TestAGrantThatComesLateIsGivenUp(t *testing.T) {
	for _, kind := range []core.Kind{core.KindLock, core.KindSemaphore} {
		t.Run(string(kind), func(t *testing.T) {
			s := overTCP(t)
			p := s.provider()
			try := p.NewLock("a").TryAcquire
			if kind == core.KindSemaphore {
				try = p.NewSemaphore("a", 2).TryAcquire
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			tried := make(chan error, 1)
			go func() {
				_, err := try(ctx)
				tried <- err
			}()
			names := s.batch()
			cancel()
			if err := <-tried; !errors.Is(err, context.Canceled) {
				t.Errorf("the attempt: %v", err)
			}
			time.Sleep(50 * time.Millisecond) // The time for giving back is over.
			for _, name := range names {
				switch name {
				case "distlock_lock":
					s.row(number(1), number(100))
				case "distlock_permits":
					s.row(slots(1), number(100))
				default: // It shows the limit.
					s.row(replies(replyTaken), number(0))
				}
			}
			s.ready()
			s.gets("distlock_unlock")
			s.row(number(1), number(0))
			s.ready()
		})
	}
}

// slots is what the statement for permits answers.
func slots(values ...int64) []byte {
	i := -1
	next := func(*op) int64 { i++; return values[i] }
	return appendArray(nil, oidInt8, make([]*op, len(values)), isAny, next)
}
