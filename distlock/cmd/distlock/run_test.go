package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRunEndsAsTheCommandDoes(t *testing.T) {
	url := locks(t)
	for _, code := range []int{0, 1, 3, 255} {
		once(t, url, code, "run", "a", "--", self(t), asExit, fmt.Sprint(code))
	}
}

func TestRunPassesArgumentsUnchanged(t *testing.T) {
	out, _ := once(t, locks(t), 0, "run", "--try", "a", "--", self(t), asPrinter, "--try", "-x", "", "--", "a b")
	if want := `["--try" "-x" "" "--" "a b"]`; out != want {
		t.Errorf("the command got %s, want %s", out, want)
	}
}

func TestTheCommandKnowsNameAndToken(t *testing.T) {
	url := locks(t)
	var last uint64
	for range 3 {
		x := start(t, url, "run", "nightly-report", "--", self(t), asHolder)
		line := x.expect(x.out, "holding nightly-report ")
		var token uint64
		if _, err := fmt.Sscanf(line, "holding nightly-report %d", &token); err != nil || token <= last {
			t.Errorf("%q after token %d: want a greater token", line, last)
		}
		last = token
		x.release()
	}
}

func TestSecondRunWaitsForTheFirst(t *testing.T) {
	url := locks(t)
	first := start(t, url, "run", "a", "--", self(t), asHolder)
	first.holding()
	second := start(t, url, "run", "a", "--", self(t), asHolder)
	// One plain line, as standard error is no terminal. It tells of the process
	// that holds the lock.
	second.expect(second.errs, fmt.Sprintf("distlock: waiting for a, held by pid %d on ", first.cmd.Process.Pid))
	select {
	case line := <-second.out:
		t.Fatalf("the second command ran beside the first: %q", line)
	default:
	}
	first.release()
	second.holding()
	second.release()
	if more := rest(second.errs); len(more) > 0 {
		t.Errorf("it said more than one line: %q", more)
	}
}

func TestKilledRunLetsTheNextInAtOnce(t *testing.T) {
	url := locks(t)
	first := start(t, url, "run", "a", "--", self(t), asHolder)
	first.holding()
	second := start(t, url, "run", "a", "--", self(t), asHolder)
	second.expect(second.errs, "distlock: waiting for a,")
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	second.holding()
	second.release()
	// The first command has ended too, although nobody has closed its input: its
	// output did, of which nobody else had the other end.
	select {
	case _, ok := <-first.out:
		if ok {
			t.Error("the first command went on")
		}
	case <-time.After(patience):
		t.Errorf("the first command still runs after %v", patience)
	}
}

func TestBusy(t *testing.T) {
	url := locks(t)
	holder := start(t, url, "run", "a", "--", self(t), asHolder)
	holder.holding()
	program := []string{"--", self(t), asExit, "0"}
	for _, test := range []struct {
		flags []string
		code  int
		says  string
	}{
		{[]string{"--try"}, 1, "distlock: acquire \"a\": held by "},
		{[]string{"--try", "--quiet"}, 1, ""},
		{[]string{"--try", "--conflict-exit-code", "75"}, 75, "held by"},
		{[]string{"--try", "--conflict-exit-code", "0", "-q"}, 0, ""},
		{[]string{"--timeout", "50ms", "--quiet"}, 1, ""},
		{[]string{"--timeout", "50ms"}, 1, "gave up waiting: context deadline exceeded: --timeout 50ms"},
	} {
		args := append(append([]string{"run", "a"}, test.flags...), program...)
		_, errs := once(t, url, test.code, args...)
		if !strings.Contains(errs, test.says) || test.says == "" && errs != "" {
			t.Errorf("%q says %q, want %q", test.flags, errs, test.says)
		}
	}
	holder.release()
	once(t, url, 0, "run", "--try", "a", "--", self(t), asExit, "0")
}

func TestSharedRunsTogether(t *testing.T) {
	url := locks(t)
	one := start(t, url, "run", "--shared", "a", "--", self(t), asHolder)
	one.holding()
	two := start(t, url, "run", "--shared", "--try", "a", "--", self(t), asHolder)
	two.holding()
	once(t, url, 1, "run", "--exclusive", "--try", "a", "--", self(t), asExit, "0")
	writer := start(t, url, "run", "--exclusive", "a", "--", self(t), asHolder)
	writer.expect(writer.errs, "distlock: waiting for a, held by ")
	one.release()
	two.release()
	writer.holding()
	once(t, url, 1, "run", "--shared", "--try", "a", "--", self(t), asExit, "0")
	writer.release()
}

func TestSemaphoreAdmitsItsLimit(t *testing.T) {
	url := locks(t)
	one := start(t, url, "run", "--semaphore", "2", "a", "--", self(t), asHolder)
	one.holding()
	two := start(t, url, "run", "--semaphore", "2", "a", "--", self(t), asHolder)
	two.holding()
	once(t, url, 1, "run", "--semaphore", "2", "--try", "a", "--", self(t), asExit, "0")
	one.release()
	once(t, url, 0, "run", "--semaphore", "2", "--try", "a", "--", self(t), asExit, "0")
	two.release()
}

// What is wrong with the command line is found before anybody waits, even while
// the lock is held; nothing is run, and nothing stays held.
func TestRunRefusesBadInput(t *testing.T) {
	dir := tempDir(t)
	url := fileURL(dir)
	holder := start(t, url, "run", "a", "--", self(t), asHolder)
	holder.holding()

	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) []string { return append([]string{"run"}, args...) }
	ok := []string{"--", self(t), asExit, "0"}
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{run(), 64, "the NAME of the lock is missing; see distlock run --help"},
		{run("a"), 64, "the COMMAND is missing: distlock run a -- COMMAND"},
		{run("a", "--"), 64, "the COMMAND is missing"},
		{run("a", "echo", "x"), 64, `there must be "--" before the command, as in: distlock run a -- echo`},
		{run("a", "b", "--", "echo"), 64, `one NAME before "--", not 2`},
		{run("--", "echo"), 64, `one NAME before "--", not 0`},
		{append(run("--nonsense", "a"), ok...), 64, "unknown flag: --nonsense"},
		{append(run("--timeout", "5", "a"), ok...), 64, `invalid argument "5" for "--timeout"`},
		{[]string{"doctor", "--timeout", "0s"}, 64, "--timeout must be longer than 0"},
		{append(run("--timeout", "0s", "a"), ok...), 64, "--timeout must be longer than 0; use --try"},
		{append(run("--timeout", "-1s", "a"), ok...), 64, "--timeout must be longer than 0"},
		{append(run("--timeout", "1s", "--try", "a"), ok...), 64, "--try does not wait, so it takes no --timeout"},
		{append(run("--semaphore", "0", "a"), ok...), 64, "--semaphore must be at least 1"},
		{append(run("--semaphore", "2", "--shared", "a"), ok...), 64, "name different objects; give one"},
		{append(run("--exclusive", "--shared", "a"), ok...), 64, "name different objects; give one"},
		{append(run("--on-lost", "cry", "a"), ok...), 64, "must be kill, signal or warn"},
		{append(run("--conflict-exit-code", "256", "a"), ok...), 64, "must be from 0 to 255"},
		{append(run(""), ok...), 64, "the name is empty"},
		{run("a", "--", "no-such-command-anywhere"), 127, "no-such-command-anywhere: command not found"},
		{run("a", "--", filepath.Join(dir, "missing")), 127, "missing"},
		{append(run("--backend", "ftp://host/", "a"), ok...), 64, `unknown scheme "ftp"; known are`},
		{append(run("--backend", "mem:", "a"), ok...), 64, "its locks exclude nobody outside this process"},
		{append(run("--backend", url+"?nonsense=1", "a"), ok...), 64, `unknown parameter "nonsense"; file: URLs take`},
		{append(run("--backend", "/var/locks", "a"), ok...), 64, "a directory is written file:///directory"},
		{append(run("--backend", fileURL(plain), "a"), ok...), 69, "not a directory"},
		{append(run("--backend", "postgres://u:hunter2@127.0.0.1:1/db", "a"), ok...), 69, "refused"},
		{append(run("--backend", "redis://u:hunter2@127.0.0.1:1/0", "a"), ok...), 69, "refused"},
		{[]string{"ls", "--backend", "postgres://u:hunter2@127.0.0.1:1/db"}, 69, "refused"},
		{[]string{"nonsense"}, 64, `unknown command "nonsense"`},
		{[]string{"inspect"}, 64, "accepts 1 arg"},
		{[]string{"ls", "a", "b"}, 64, "at most 1 arg"},
	} {
		out, errs := once(t, url, test.code, test.args...)
		if !strings.Contains(errs, test.says) {
			t.Errorf("distlock %q says %q, want %q", test.args, errs, test.says)
		}
		if out != "" || strings.Contains(errs, "\n") || strings.Contains(errs, "hunter2") || !strings.HasPrefix(errs, "distlock: ") {
			t.Errorf("distlock %q prints %q and %q; want one line of error, without a password", test.args, out, errs)
		}
	}
	holder.release()
	once(t, url, 0, "run", "--try", "a", "--", self(t), asExit, "0")
}

// Without a URL the locks are in a directory of the user.
func TestDefaultBackend(t *testing.T) {
	home := tempDir(t)
	env := slices.Concat(prepare(t, "").Env, []string{"XDG_STATE_HOME=" + home, "HOME=" + home, "LocalAppData=" + home})
	cmd := prepare(t, "", "run", "a", "--", self(t), asHolder)
	cmd.Env = env
	holder := launch(t, cmd)
	holder.holding()
	cmd = prepare(t, "", "run", "--try", "a", "--", self(t), asExit, "0")
	cmd.Env = env
	launch(t, cmd).wait(1)
	found := 0
	_ = filepath.WalkDir(home, func(path string, d os.DirEntry, _ error) error {
		if !d.IsDir() && strings.HasPrefix(filepath.Base(path), "a") {
			found++
		}
		return nil
	})
	if found == 0 {
		t.Error("no lock file is below the directory of the user")
	}
	holder.release()
}
