package scale

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core/locktest"
)

// TestMain is also the workers of a crowd.
func TestMain(m *testing.M) {
	Worker()
	os.Exit(locktest.Tidy(m).Run())
}

// What make scale does is done, in small; on the others it needs more time than that
// is worth in every run.
func TestScale(t *testing.T) {
	for _, backend := range []string{"file", "redis"} {
		t.Run(backend, func(t *testing.T) {
			var out strings.Builder
			c := Config{
				Crowds: []Crowd{{Processes: 3, Goroutines: 2, Names: 10, For: 200 * time.Millisecond}},
				Counts: []int{20},
				Idle:   100 * time.Millisecond,
			}
			if err := Run(t.Context(), backend, c, &out); err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			if n := strings.Count(out.String(), "\n"); n != 8 {
				t.Errorf("%d lines, not 8:\n%s", n, out.String())
			}
		})
	}
}
