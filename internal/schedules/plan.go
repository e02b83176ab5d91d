package schedules

import (
	"math/rand/v2"
	"time"

	"github.com/distlock/distlock-go/internal/history"
)

// A Backend is what is under test.
type Backend string

// The backends. The first three are the engine over a server with leases whose
// waiters are woken by events that may get lost, only poll, or stand in a queue on
// the server.
const (
	Events  Backend = "events"
	Polling Backend = "polling"
	Queue   Backend = "queue"
	Memory  Backend = "memory"
	Redis   Backend = "redis"   // the client and the scripts, with a server of package simredis
	RedLock Backend = "redlock" // alike, with several
)

// A Schedule says what to run.
type Schedule struct {
	Backend Backend
	Kind    history.Kind // Lock, RWLock or Semaphore
	Seed    uint64
	Defect  Defect
}

// term is the lease, and by it go all other times.
const term = 2 * time.Second

// releaseTimeout is the longest release.
func (s Schedule) releaseTimeout() time.Duration {
	if s.Backend == Memory {
		return 5 * time.Second // has no option for it
	}
	return term / 4
}

// A plan is what the seed decides beforehand.
type plan struct {
	nodes, seats, rounds int
	limit                int
	rate                 float64 // of the server's clock
	tombstones           bool    // a claim that comes after its own release is refused
	trouble              float64 // the share of messages to which something happens
	events               int     // of the director
	eventGap             time.Duration
}

func (s Schedule) plan() plan {
	r := s.rng(0, 0)
	p := plan{
		nodes:      2 + r.IntN(2),
		seats:      1 + r.IntN(2),
		rounds:     3 + r.IntN(3),
		limit:      1 + r.IntN(3),
		rate:       0.99 + 0.02*r.Float64(), // up to 1 % either way, which the margin covers
		tombstones: r.IntN(2) == 0,
		trouble:    []float64{0.05, 0.2, 0.4}[r.IntN(3)],
		events:     r.IntN(5),
		eventGap:   between(r, term/4, 2*term),
	}
	if s.Defect != None {
		p.trouble = 0.4 // The sooner it is noticed.
	}
	if s.Backend == Redis || s.Backend == RedLock {
		// A majority must be in trouble, or a holder alone, while others want in.
		p.seats, p.events, p.eventGap = 2, r.IntN(10), between(r, term/8, term)
	}
	if s.Defect == NoQuarantine && s.Backend == RedLock {
		p.events, p.eventGap = 16, term/4 // It takes two servers, one after the other.
	}
	if s.Defect == FastServerClock {
		p.rate = 1.1
	}
	return p
}

// rng returns the source of one stream of decisions, so that these do not depend
// on how goroutines take turns.
func (s Schedule) rng(stream, n uint64) *rand.Rand {
	return rand.New(rand.NewPCG(s.Seed, stream<<32|n))
}

func between(r *rand.Rand, lo, hi time.Duration) time.Duration {
	return lo + time.Duration(r.Int64N(int64(hi-lo)))
}

// object is what the histories are checked against.
func (s Schedule) object() history.Object {
	o := history.Object{Name: string(s.Backend), Kind: s.Kind, Limit: s.plan().limit, Tokens: history.Increasing}
	if s.Backend == RedLock && o.Kind == history.Semaphore && o.Limit > 1 {
		o.Tokens = history.Following // See the documentation of redis.RedLock.
	}
	return o
}
