package schedules

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/distlock/distlock-go/internal/history"
)

var (
	count = flag.Int("schedules", perKind, "schedules for each primitive")
	seed  = flag.Uint64("seed", 1, "the first seed")
)

var kinds = map[string]history.Kind{"lock": history.Lock, "rwlock": history.RWLock, "semaphore": history.Semaphore}

var backends = []Backend{Events, Polling, Queue, Memory, Redis, RedLock}

// run runs a schedule in a bubble of its own, and returns what is wrong. A
// goroutine that is left behind fails the test.
func run(t *testing.T, s Schedule) (err error) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { err = s.Run() })
	return err
}

// replay says how to run one schedule again.
func replay(t *testing.T, s Schedule) string {
	return fmt.Sprintf("go test ./internal/schedules -run '%s$' -seed %d -schedules 1 -count 20", t.Name(), s.Seed)
}

func TestSchedules(t *testing.T) {
	for name, kind := range kinds {
		for _, backend := range backends {
			t.Run(name+"/"+string(backend), func(t *testing.T) {
				t.Parallel()
				n := (*count + len(backends) - 1) / len(backends)
				for i := range n {
					s := Schedule{Backend: backend, Kind: kind, Seed: *seed + uint64(i)}
					if err := run(t, s); err != nil {
						t.Fatalf("seed %d: %v\n%s", s.Seed, err, replay(t, s))
					}
				}
				t.Logf("%d schedules from seed %d", n, *seed)
			})
		}
	}
}
