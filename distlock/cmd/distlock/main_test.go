package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test binary is also the tool, and the commands that the tool runs: which
// of them, it learns by its first argument or, as the guard, by its own name.
func TestMain(m *testing.M) {
	if guard(os.Args) {
		return
	}
	if len(os.Args) > 1 {
		switch role := os.Args[1]; {
		case role == asTool:
			os.Args = append([]string{"distlock"}, os.Args[2:]...)
			main()
			return
		case strings.HasPrefix(role, "as-"):
			os.Exit(command(role, os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

const (
	asTool = "as-tool"

	asHolder  = "as-holder"  // says what it was told, and ends with code 0 when its input does
	asExit    = "as-exit"    // ends at once with the code of its argument
	asPrinter = "as-printer" // prints its arguments
	asLeaver  = "as-leaver"  // leaves its process group, says who it is, and reads its input
)

// command is what the tool is asked to run.
func command(role string, args []string) int {
	switch role {
	case asHolder:
		// It outlives what the console tells it, so that a test decides.
		signal.Ignore(os.Interrupt)
		fmt.Println("holding", os.Getenv("DISTLOCK_NAME"), os.Getenv("DISTLOCK_TOKEN"), os.Getpid())
		_, _ = io.Copy(io.Discard, os.Stdin)
		fmt.Println("done")
	case asExit:
		code, _ := strconv.Atoi(args[0])
		return code
	case asLeaver:
		if err := leaveGroup(); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(os.Getpid())
		_, _ = io.Copy(io.Discard, os.Stdin)
	case asPrinter:
		fmt.Printf("%q\n", args)
	}
	return 0
}

// self is the test binary.
func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// A tool is one distlock that runs.
type tool struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    chan string // lines of standard output, closed at its end
	errs   chan string // lines of standard error
	result chan error
}

// locks returns the URL of a directory of locks for one test.
func locks(t *testing.T) string {
	t.Helper()
	return fileURL(tempDir(t))
}

// tempDir is t.TempDir, except that its removal may fail: Wine 8 cannot delete
// what os.RemoveAll asks it to.
func tempDir(t *testing.T) string {
	t.Helper()
	//nolint:usetesting // See above.
	dir, err := os.MkdirTemp("", "distlock-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// prepare makes a distlock with these arguments, on the backend of that URL.
func prepare(t *testing.T, url string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(self(t), append([]string{asTool}, args...)...)
	// The race detector makes a program pause for a second before it ends.
	cmd.Env = append(os.Environ(), "DISTLOCK_URL="+url, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// start starts a distlock that ends with the test at the latest.
func start(t *testing.T, url string, args ...string) *tool {
	t.Helper()
	return launch(t, prepare(t, url, args...))
}

func launch(t *testing.T, cmd *exec.Cmd) *tool {
	t.Helper()
	x := &tool{t: t, cmd: cmd, out: make(chan string, 64), errs: make(chan string, 64), result: make(chan error, 1)}
	// Not StdinPipe, which closes the input when distlock ends: the command may
	// outlive it.
	inR, inW := pipe(t)
	cmd.Stdin, x.in = inR, inW
	outR, outW := pipe(t)
	errR, errW := pipe(t)
	cmd.Stdout, cmd.Stderr = outW, errW
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _, _ = inR.Close(), outW.Close(), errW.Close()
	go lines(outR, x.out)
	go lines(errR, x.errs)
	go func() { x.result <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = inW.Close()
		_ = cmd.Process.Kill()
	})
	return x
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

func lines(r *os.File, to chan<- string) {
	defer r.Close()
	defer close(to)
	for s := bufio.NewScanner(r); s.Scan(); {
		to <- strings.TrimRight(s.Text(), "\r")
	}
}

// expect returns the next line, which must begin with prefix.
func (x *tool) expect(from <-chan string, prefix string) string {
	x.t.Helper()
	select {
	case line, ok := <-from:
		if !ok {
			x.t.Fatalf("the output ended; want a line that begins with %q; standard error: %q", prefix, rest(x.errs))
		}
		if !strings.HasPrefix(line, prefix) {
			x.t.Fatalf("got the line %q; want one that begins with %q", line, prefix)
		}
		return line
	case <-time.After(patience):
		x.t.Fatalf("no line that begins with %q within %v", prefix, patience)
	}
	return ""
}

// rest returns what is left to read of output that has ended or soon will.
func rest(from <-chan string) []string {
	var all []string
	for {
		select {
		case line, ok := <-from:
			if !ok {
				return all
			}
			all = append(all, line)
		case <-time.After(time.Second):
			return all
		}
	}
}

// find returns the next line that begins with prefix, and passes over others.
func (x *tool) find(from <-chan string, prefix string) string {
	x.t.Helper()
	for {
		if line := x.expect(from, ""); strings.HasPrefix(line, prefix) {
			return line
		}
	}
}

// holding waits until the command runs, and returns its token and process id.
func (x *tool) holding() (token uint64, pid int) {
	x.t.Helper()
	line := x.expect(x.out, "holding ")
	var name string
	if _, err := fmt.Sscanf(line, "holding %s %d %d", &name, &token, &pid); err != nil {
		x.t.Fatalf("%q: %v", line, err)
	}
	return token, pid
}

// wait waits for the end and checks the exit code.
func (x *tool) wait(code int) {
	x.t.Helper()
	if got := x.code(); got != code {
		x.t.Fatalf("exit code %d, want %d; standard error: %q", got, code, rest(x.errs))
	}
}

// code waits for the end and returns the exit code, -1 for an end by a signal.
func (x *tool) code() int {
	x.t.Helper()
	select {
	case err := <-x.result:
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode()
		} else if err != nil {
			x.t.Fatal(err)
		}
		return 0
	case <-time.After(patience):
		x.t.Fatalf("distlock did not end within %v", patience)
	}
	return 0
}

// release lets an asHolder come to its end.
func (x *tool) release() {
	x.t.Helper()
	if err := x.in.Close(); err != nil {
		x.t.Fatal(err)
	}
	x.expect(x.out, "done")
	x.wait(0)
}

// once runs distlock to its end and returns what it printed.
func once(t *testing.T, url string, code int, args ...string) (out, errs string) {
	t.Helper()
	x := start(t, url, args...)
	_ = x.in.Close()
	x.wait(code)
	return strings.Join(rest(x.out), "\n"), strings.Join(rest(x.errs), "\n")
}
