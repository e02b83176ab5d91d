package locktest_test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"slices"
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

// TestTheSuiteBites shows that each of many defects makes the cases fail that
// are there to find it. A suite that cannot fail proves nothing.
func TestTheSuiteBites(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			failed, out := runMutant(t, m)
			for _, name := range m.caught {
				if !slices.Contains(failed, name) {
					t.Errorf("the case %s does not find the defect\n%s", name, out)
				}
			}
		})
	}
	t.Run("sound", func(t *testing.T) { // The control: the way in which mutants are run breaks nothing.
		t.Parallel()
		m := mutant{name: "sound"}
		for _, other := range mutants {
			m.caught = append(m.caught, other.caught...)
		}
		if failed, out := runMutant(t, m); len(failed) > 0 {
			t.Errorf("without a defect these cases fail: %q\n%s", failed, out)
		}
	})
}

// runMutant runs, in a process of its own, the cases that must find the mutant,
// and returns those that failed.
func runMutant(t *testing.T, m mutant) (failed []string, out string) {
	t.Helper()
	var groups, cases []string
	for _, name := range m.caught {
		group, of, _ := strings.Cut(name, "/")
		groups, cases = append(groups, group), append(cases, of)
	}
	cmd := exec.Command(os.Args[0], "-test.v", "-test.timeout=60s",
		"-test.run=^TestMutant$/^("+strings.Join(groups, "|")+")$/^("+strings.Join(cases, "|")+")$")
	cmd.Env = append(os.Environ(), mutantVariable+"="+m.name)
	text, _ := cmd.CombinedOutput() // It should fail.
	ran := regexp.MustCompile(`^ +--- (FAIL|PASS|SKIP): TestMutant/(\S+/\S+) `)
	seen := 0
	for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
		if found := ran.FindStringSubmatch(s.Text()); found != nil {
			seen++
			if found[1] == "FAIL" {
				failed = append(failed, found[2])
			}
		}
	}
	if seen == 0 {
		t.Fatalf("no case has run:\n%s", text)
	}
	return failed, string(text)
}

// TestMutant runs the suite on one mutant.
func TestMutant(t *testing.T) {
	name := os.Getenv(mutantVariable)
	if name == "" {
		t.Skip("for TestTheSuiteBites only")
	}
	i := slices.IndexFunc(mutants, func(m mutant) bool { return m.name == name })
	m := mutant{open: func(p core.Provider) core.Provider { return p }}
	patience := 5 * time.Second
	if i >= 0 {
		m, patience = mutants[i], 500*time.Millisecond
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
	})
}
