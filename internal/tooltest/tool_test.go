//go:build unix

package tooltest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tool is the program under test.
var tool string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "tooltest")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		tool = filepath.Join(dir, "distlock")
		if out, err := exec.Command("go", "build", "-o", tool, "../../distlock/cmd/distlock").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// command is a run of the tool on a backend.
func command(t *testing.T, url string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool, args...)
	cmd.Env = append(os.Environ(), "DISTLOCK_URL="+url)
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// run runs the tool to its end, which must have that exit code.
func run(t *testing.T, url string, code int, args ...string) string {
	t.Helper()
	cmd := command(t, url, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("distlock %q ended with %d, want %d\n%s\n%s", args, got, code, out.String(), errs.String())
	}
	return out.String()
}

// diagnosis is what distlock doctor --json prints.
type diagnosis struct {
	Backend, Verdict, Error, Cure string

	Facts    map[string]string
	Warnings []string
}

func doctor(t *testing.T, url string, code int) diagnosis {
	t.Helper()
	out := run(t, url, code, "doctor", "--json")
	t.Log(out)
	var d diagnosis
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return d
}

func (d diagnosis) healthy(t *testing.T, backend string) {
	t.Helper()
	if d.Verdict != "healthy" || d.Backend != backend || len(d.Warnings) > 0 {
		t.Errorf("it says %+v; want a healthy %s", d, backend)
	}
}

// warns checks that one of the warnings has all of these texts.
func (d diagnosis) warns(t *testing.T, texts ...string) {
	t.Helper()
	for _, warning := range d.Warnings {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(warning, text)
		}
		if all {
			return
		}
	}
	t.Errorf("no warning has %q: %q", texts, d.Warnings)
}

func (d diagnosis) unusable(t *testing.T, text string) {
	t.Helper()
	if d.Verdict != "unusable" || !strings.Contains(d.Error+" "+d.Cure, text) {
		t.Errorf("it says %+v; want it to be unusable, and %q", d, text)
	}
}

// operate takes a hold by one run of the tool, looks at it by others, and breaks
// it by yet another. listed says whether the backend knows the names of locks.
func operate(t *testing.T, url string, listed bool) {
	t.Helper()
	const name = "nightly-report"
	holder := command(t, url, "run", name, "--", "sh", "-c", "echo token $DISTLOCK_TOKEN; exec sleep 1000")
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	var token uint64
	if _, err := fmt.Fscanf(out, "token %d\n", &token); err != nil || token == 0 {
		t.Fatalf("the token is %d, %v", token, err)
	}
	pid := fmt.Sprintf("(pid %d) on ", holder.Process.Pid)
	if got := run(t, url, 0, "inspect", name); !strings.Contains(got, pid) {
		t.Errorf("inspect prints %q, want %s", got, pid)
	}
	if got := run(t, url, 0, "ls"); !strings.Contains(got, pid) || strings.Contains(got, name) != listed {
		t.Errorf("ls prints %q, want %s", got, pid)
	}
	if got := run(t, url, 0, "__complete", "inspect", "night"); strings.Contains(got, name) != listed {
		t.Errorf("the shell is offered %q", got)
	}
	run(t, url, 1, "run", "--try", "-q", name, "--", "true")
	if got := run(t, url, 0, "break", "--yes", name); !strings.Contains(got, "1 hold was ended") {
		t.Errorf("break prints %q", got)
	}
	if err := holder.Wait(); holder.ProcessState.ExitCode() != 79 {
		t.Errorf("the holder ended with %v, want 79", err)
	}
	var next uint64
	text := run(t, url, 0, "run", name, "--", "sh", "-c", "echo token $DISTLOCK_TOKEN")
	if _, err := fmt.Sscanf(text, "token %d", &next); err != nil || next <= token {
		t.Errorf("after token %d it prints %q, %v", token, text, err)
	}
	if got := run(t, url, 0, "inspect", name); got != name+" is free\n" {
		t.Errorf("inspect prints %q", got)
	}
}
