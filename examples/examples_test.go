// Package examples has one program a folder. They are run here, as a reader would
// run them, on every backend that the environment names.
package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	"fencing": fenced("HTTP store"),
	"cron": `of 3 replicas, 1 ran the job and 2 skipped it
`,
	"stampede": `20 of 20 callers have the value, which was computed 1 time(s)
`,
	"shutdown": `the signal came; work goes on: true
the first worker ended well: true
the second stopped waiting: true
closed: true
`,
	"slog": `level=DEBUG msg=acquired kind=lock name="example slog"
level=DEBUG msg=not_acquired kind=lock name="example slog"
level=DEBUG msg=released kind=lock name="example slog"
level=DEBUG msg=acquired kind=lock name="example slog"
level=ERROR msg=lost kind=lock name="example slog"
`,
	"otel": `a span of the work: distlock.acquire, status Unset
a span of the work: distlock.acquire, status Error
a span of the work: distlock.hold, status Unset
distlock.acquire.duration (s) acquired: 1
distlock.acquire.duration (s) held_elsewhere: 1
distlock.held {hold}: 0
distlock.hold.duration (s) released: 1
`,
}

func fenced(store string) string {
	return store + `: the late write is refused: true; it keeps what was written by the next holder
and the handle tells of the loss: true
`
}

func TestExamples(t *testing.T) {
	backends := map[string]string{"default": "", "file": "file://" + filepath.ToSlash(t.TempDir())}
	for name, variable := range map[string]string{"postgres": "DISTLOCK_TEST_POSTGRES", "redis": "DISTLOCK_TEST_REDIS"} {
		if url := os.Getenv(variable); url != "" {
			if name == "redis" { // where a hold that was broken notices it when it is renewed
				url += map[bool]string{false: "?", true: "&"}[strings.Contains(url, "?")] + "lease=1s&claim=500ms"
			}
			backends[name] = url
		} else if os.Getenv("DISTLOCK_REQUIRE_SERVERS") == "1" {
			t.Errorf("%s is not set, and DISTLOCK_REQUIRE_SERVERS is", variable)
		}
	}
	program := build(t)
	for name, want := range outputs {
		for backend, url := range backends {
			t.Run(name+"/"+backend, func(t *testing.T) {
				want := want
				if name == "fencing" && backend == "postgres" {
					want += fenced("SQL table")
				}
				if got := output(t, url, program(name)); got != want {
					t.Errorf("it printed\n%s\nand not\n%s", got, want)
				}
			})
		}
	}
	if database := backends["postgres"]; database != "" {
		t.Run("migrate", func(t *testing.T) {
			const want = "4 replicas: 1 of them applied 2 migrations\n"
			if got := output(t, database, program("migrate")); got != want {
				t.Errorf("it printed %q, and not %q", got, want)
			}
		})
		t.Run("postgres", func(t *testing.T) {
			const want = "write 1: 1 row\nwrite 2: 1 row\nwrite 3: 0 row\nfree for another transaction: false\n"
			if got := output(t, "", program("postgres"), database); got != want {
				t.Errorf("it printed %q, and not %q", got, want)
			}
		})
		// The table is one thing, and where the lock is another.
		t.Setenv("FENCING_DATABASE", database)
		for backend, url := range backends {
			t.Run("fencing of a table/"+backend, func(t *testing.T) {
				if got, want := output(t, url, program("fencing")), fenced("HTTP store")+fenced("SQL table"); got != want {
					t.Errorf("it printed\n%s\nand not\n%s", got, want)
				}
			})
		}
	}
	if server := os.Getenv("DISTLOCK_TEST_REDIS"); server != "" {
		t.Run("redis", func(t *testing.T) {
			want := "held by SET NX keeps us out: true\nheld by us keeps SET NX out: true\nthe holder was told of the break: true\nthe late write was refused: true\n"
			args := []string{server}
			if nodes := strings.Split(os.Getenv("DISTLOCK_TEST_REDIS_NODES"), ","); len(nodes) > 2 {
				args = append(args, nodes[0], nodes[1], "127.0.0.1:1") // One is down.
				want += "held on a majority of 3 servers, of which 2 are up\n"
			}
			if got := output(t, "", program("redis"), args...); got != want {
				t.Errorf("it printed %q, and not %q", got, want)
			}
		})
	}
	for backend, url := range backends {
		if url == "" {
			url = "mem:"
		}
		t.Run("swap/"+backend, func(t *testing.T) {
			scheme, _, _ := strings.Cut(url, ":")
			if got, want := output(t, "", program("swap"), url), scheme+": counted to 10\n"; got != want {
				t.Errorf("it printed %q, and not %q", got, want)
			}
		})
	}
}

// build builds all programs and returns how to find one.
func build(t *testing.T) func(name string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", dir+string(filepath.Separator), "./...")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return func(name string) string {
		program := filepath.Join(dir, name)
		if runtime.GOOS == "windows" {
			program += ".exe"
		}
		return program
	}
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
