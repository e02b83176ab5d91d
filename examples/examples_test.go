// Package examples has one program a folder. They are run here, as a reader would
// run them, on every backend that the environment names.
package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// outputs is what each program prints, on every backend.
var outputs = map[string]string{
	"quickstart": `lock: held
lock: a second attempt finds it held elsewhere: true
rwlock: two readers keep a writer out: true
all: held quickstart exports+quickstart rates+quickstart report
loss: the context ended because the lock was lost: true
loss: and the error says so too
`,
	"leader": `a leads
a was told to stop: true
b leads, with a greater token: true
a has ended: true
b has ended: true
`,
	"transfer": `balances: 100 100
the same account twice: distlock: acquire all "transfer: account 1": invalid: the same lock was given twice, and would wait for itself
`,
	"workers": `12 jobs done, at most 3 at a time: true
`,
	"fencing": `the late write is refused: true
the store keeps what was written by the next holder
its handle tells of the loss: true
`,
}

func TestExamples(t *testing.T) {
	backends := map[string]string{"default": "", "file": "file://" + filepath.ToSlash(t.TempDir())}
	for name, variable := range map[string]string{"postgres": "DISTLOCK_TEST_POSTGRES", "redis": "DISTLOCK_TEST_REDIS"} {
		if url := os.Getenv(variable); url != "" {
			backends[name] = url
		} else if os.Getenv("DISTLOCK_REQUIRE_SERVERS") == "1" {
			t.Errorf("%s is not set, and DISTLOCK_REQUIRE_SERVERS is", variable)
		}
	}
	for name, want := range outputs {
		program := build(t, name)
		for backend, url := range backends {
			t.Run(name+"/"+backend, func(t *testing.T) {
				if got := output(t, url, program); got != want {
					t.Errorf("it printed\n%s\nand not\n%s", got, want)
				}
			})
		}
	}
	swap := build(t, "swap")
	for backend, url := range backends {
		if url == "" {
			url = "mem:"
		}
		t.Run("swap/"+backend, func(t *testing.T) {
			scheme, _, _ := strings.Cut(url, ":")
			if got, want := output(t, "", swap, url), scheme+": counted to 10\n"; got != want {
				t.Errorf("it printed %q, and not %q", got, want)
			}
		})
	}
}

func build(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name+".exe")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

func output(t *testing.T, url, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "DISTLOCK_URL="+url)
	var diagnosis strings.Builder
	cmd.Stderr = &diagnosis
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(program), err, diagnosis.String())
	}
	return string(out)
}
