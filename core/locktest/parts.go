package locktest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// partVariable tells, in the environment, that this process runs one part of the
// suite only, and which.
const partVariable = "DISTLOCK_LOCKTEST_PART"

// inParts reports whether the parts of the suite are to run in processes of their
// own: not in such a process, and not if -run names cases within this test.
func inParts(t *testing.T, h Harness) bool {
	_, part := os.LookupEnv(partVariable)
	named := strings.Count(flag.Lookup("test.run").Value.String(), "/") > strings.Count(t.Name(), "/")
	return h.Parallel > 1 && !part && !named
}

// wanted reports whether this process runs a part.
func wanted(g group) bool {
	only, part := os.LookupEnv(partVariable)
	return !part || g.name == only
}

// A part is what came of one part of the suite, in a process of its own.
type part struct {
	name string
	out  string
	err  error
	took time.Duration
	done chan struct{}
}

// runParts runs every part of the suite in a process of its own, n at a time, and
// tells what came of them, in the suite's order. One of which nothing is heard has
// failed.
func runParts(t *testing.T, n int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("no process for a part of the suite: %v", err)
	}
	var parts []*part
	for _, g := range groups() {
		parts = append(parts, &part{name: g.name, done: make(chan struct{})})
	}
	queue := make(chan *part, len(parts))
	var workers sync.WaitGroup
	defer workers.Wait()
	for range n {
		workers.Go(func() {
			for p := range queue {
				p.run(t, self)
			}
		})
	}
	for i := range parts { // The last one first: it waits for processes and leases, and should not end alone.
		queue <- parts[(i+len(parts)-1)%len(parts)]
	}
	close(queue)
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) {
			<-p.done
			passed := strings.Contains(p.out, "--- PASS: "+t.Name()+" ")
			switch {
			case p.err != nil || !passed:
				t.Errorf("in a process of its own, after %v: %v\n%s", p.took, p.err, p.out)
			case testing.Verbose():
				t.Logf("in a process of its own, in %v:\n%s", p.took, p.out)
			}
		})
	}
}

// run starts the test binary for one part and waits for its end.
func (p *part) run(t *testing.T, self string) {
	defer close(p.done)
	var names []string
	for name := range strings.SplitSeq(t.Name(), "/") {
		names = append(names, "^"+regexp.QuoteMeta(name)+"$")
	}
	args := []string{"-test.v", "-test.run=" + strings.Join(names, "/"), fmt.Sprintf("-test.short=%v", testing.Short())}
	if end, ok := t.Deadline(); ok {
		// It tells what it waits for before this process has to.
		args = append(args, fmt.Sprint("-test.timeout=", time.Until(end)*9/10))
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), partVariable+"="+p.name)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	p.out, p.err, p.took = string(out), err, time.Since(start).Round(10*time.Millisecond)
}
