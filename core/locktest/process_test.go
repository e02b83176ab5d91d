package locktest_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
)

// TestMain lets more tests run at a time than there are processors: mutants mostly
// wait for what does not happen.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	locktest.Main(locktest.Tidy(m), dial)
}

// TestConformanceOverSockets runs the suite on a backend that other processes can
// reach, so that the cases about these are tested here too.
func TestConformanceOverSockets(t *testing.T) {
	runOverSockets(t, listen(t), 10*time.Second)
}

var socketMutants = []struct {
	name   string
	plant  func(d *daemon)
	caught []string
}{
	{"holds-outlive-their-process", func(d *daemon) { d.keepsHolds = true },
		[]string{"Processes/exit-frees-what-was-held", "Processes/kill-frees-what-was-held"}},
	{"waiters-outlive-their-process", func(d *daemon) { d.keepsWaiters, d.keepsHolds = true, true },
		[]string{"Processes/killed-waiter-is-passed-over", "Processes/killed-writer-lets-readers-in"}},
	{"tokens-repeat", func(d *daemon) { d.repeatsToken = true },
		[]string{"Processes/tokens-grow-over-processes"}},
}

// TestTheProcessCasesBite is TestTheSuiteBites for what needs other processes.
func TestTheProcessCasesBite(t *testing.T) {
	for _, m := range socketMutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			mustCatch(t, "TestSocketMutant", m.name, m.caught)
		})
	}
}

// TestSocketMutant runs the suite on one mutant.
func TestSocketMutant(t *testing.T) {
	for _, m := range socketMutants {
		if m.name == os.Getenv(mutantVariable) {
			d := listen(t)
			m.plant(d)
			runOverSockets(t, d, 500*time.Millisecond)
			return
		}
	}
	t.Skip("for TestTheProcessCasesBite only")
}

func runOverSockets(t *testing.T, d *daemon, patience time.Duration) {
	address := d.l.Addr().String()
	locktest.Run(t, locktest.Harness{
		Open: func(t testing.TB, o core.Observer) core.Provider {
			p, err := dial(address, o)
			if err != nil {
				t.Fatal(err)
			}
			return p
		},
		Lose: func(t testing.TB, _ core.Provider, kind core.Kind, name string) {
			if _, err := d.p.Break(t.Context(), kind, name); err != nil {
				t.Fatal(err)
			}
		},
		Process:  address,
		Tokens:   true,
		Fair:     true,
		Patience: patience,
		Pause:    5 * time.Millisecond,
		Check: func(t testing.TB) {
			for wait := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
				left, err := d.p.List(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				if len(left) == 0 {
					return
				}
				if time.Now().After(wait) {
					t.Fatalf("the daemon still has %+v", left)
				}
			}
		},
		Foreign: func(stack string) bool { return strings.Contains(stack, ".(*daemon).") },
	})
}
