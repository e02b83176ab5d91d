package locktest_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"
)

// parallelVariable, in the environment, has TestMutant run in parts, and
// silentVariable one of them do nothing.
const (
	parallelVariable = "DISTLOCK_LOCKTEST_PARALLEL"
	silentVariable   = "DISTLOCK_LOCKTEST_SILENT"
)

// A case that fails in a process of its own fails its part and the run, and so
// does a part of which nothing is heard; the others pass.
func TestPartsBite(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.v", "-test.timeout=5m", "-test.run=^TestMutant$")
	cmd.Env = append(os.Environ(), mutantVariable+"=one-permit-too-many", parallelVariable+"=8", silentVariable+"=Names")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Error("the run has passed")
	}
	outcome := make(map[string][]string)
	for _, m := range regexp.MustCompile(`(?m)^    --- (PASS|FAIL): TestMutant/(\S+) `).FindAllStringSubmatch(string(out), -1) {
		outcome[m[1]] = append(outcome[m[1]], m[2])
	}
	for want, parts := range map[string][]string{"FAIL": {"Semaphore1", "Permits", "Names"}, "PASS": {"Lock", "Writer", "Readers"}} {
		for _, part := range parts {
			if !slices.Contains(outcome[want], part) {
				t.Errorf("%s is not said of %s\n%s", want, part, out)
			}
		}
	}
}
