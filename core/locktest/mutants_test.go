package locktest_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/locktest"
	"github.com/distlock/distlock-go/core/memory"
)

// mutantVariable names, in the environment, the mutant that TestMutant is to run.
const mutantVariable = "DISTLOCK_LOCKTEST_MUTANT"

// A mutant is the memory backend with one defect.
type mutant struct {
	name string

	// open returns a provider that has the defect, over one that has not.
	open func(sound core.Provider) core.Provider

	// alone gives each provider a server of its own.
	alone bool

	// caught are the cases that must fail, by group and name.
	caught []string
}

var mutants = slices.Concat(holdMutants, endMutants, kindMutants)

// TestTheSuiteBites shows that each of many defects makes the cases fail that
// are there to find it. A suite that cannot fail proves nothing.
func TestTheSuiteBites(t *testing.T) {
	var all []string
	for _, m := range mutants {
		all = append(all, m.caught...)
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			mustCatch(t, "TestMutant", m.name, m.caught)
		})
	}
	t.Run(sound, func(t *testing.T) { // The control: the way in which mutants are run breaks nothing.
		t.Parallel()
		if failed, out := runMutant(t, "TestMutant", sound, all); len(failed) > 0 {
			t.Errorf("without a defect these cases fail: %q\n%s", failed, out)
		}
	})
}

// sound is the mutant that has no defect.
const sound = "sound"

// mustCatch runs a mutant, and fails if one of the cases does not. Those that did
// not are given more chances: to meet at the wrong moment takes luck, the more so on
// a machine that is busy.
func mustCatch(t *testing.T, test, mutant string, cases []string) {
	t.Helper()
	var out string
	missed := cases
	for range 10 {
		var failed []string
		failed, out = runMutant(t, test, mutant, missed)
		missed = slices.DeleteFunc(slices.Clone(missed), func(c string) bool { return slices.Contains(failed, c) })
		if len(missed) == 0 {
			return
		}
	}
	t.Errorf("the cases %q do not find the defect\n%s", missed, out)
}

// runMutant runs some cases on a mutant in a process of its own, and returns
// those that failed.
func runMutant(t *testing.T, test, mutant string, cases []string) (failed []string, out string) {
	t.Helper()
	var groups, names []string
	for _, c := range cases {
		group, name, _ := strings.Cut(c, "/")
		groups, names = append(groups, group), append(names, name)
	}
	cmd := exec.Command(os.Args[0], "-test.v", "-test.timeout=60s",
		"-test.run=^"+test+"$/^("+strings.Join(groups, "|")+")$/^("+strings.Join(names, "|")+")$")
	cmd.Env = append(os.Environ(), mutantVariable+"="+mutant)
	text, _ := cmd.CombinedOutput() // It should fail.
	result := regexp.MustCompile(`(?m)^ +--- (FAIL|PASS): \w+/(\S+/\S+) `).FindAllStringSubmatch(string(text), -1)
	if len(result) == 0 {
		t.Fatalf("no case has run:\n%s", text)
	}
	for _, r := range result {
		if r[1] == "FAIL" {
			failed = append(failed, r[2])
		}
	}
	return failed, string(text)
}

// TestMutant runs the suite on one mutant.
func TestMutant(t *testing.T) {
	name := os.Getenv(mutantVariable)
	if name == "" {
		t.Skip("for TestTheSuiteBites only")
	}
	if part := os.Getenv(silentVariable); part != "" && part == os.Getenv("DISTLOCK_LOCKTEST_PART") {
		t.Skip("for TestPartsBite")
	}
	parallel, _ := strconv.Atoi(os.Getenv(parallelVariable))
	m, patience := mutant{open: func(p core.Provider) core.Provider { return p }}, 500*time.Millisecond
	if name != sound {
		m = mutants[slices.IndexFunc(mutants, func(m mutant) bool { return m.name == name })]
	}
	if name == sound || parallel > 0 { // Most of the cases must pass.
		patience = 5 * time.Second
	}
	server := memory.NewServer()
	locktest.Run(t, locktest.Harness{
		Open: func(t testing.TB, o core.Observer) core.Provider {
			opts := &memory.Options{Server: server, Observer: o}
			if m.alone {
				opts.Server = nil
			}
			p, err := memory.New(opts)
			if err != nil {
				t.Fatal(err)
			}
			return m.open(p)
		},
		Lose: func(t testing.TB, p core.Provider, kind core.Kind, name string) {
			if f, ok := p.(*faulty); ok {
				p = f.Provider
			}
			if _, err := p.(core.Breaker).Break(t.Context(), kind, name); err != nil {
				t.Fatal(err)
			}
		},
		Tokens:   true,
		Fair:     true,
		Patience: patience,
		Pause:    3 * time.Millisecond,
		Parallel: parallel,
	})
}
