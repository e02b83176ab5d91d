//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/distlock/distlock-go/distlock"
)

// shell starts distlock run a with a shell script.
func shell(t *testing.T, url, script string, flags ...string) *tool {
	t.Helper()
	args := append(append([]string{"run"}, flags...), "a", "--", "sh", "-c", script)
	return start(t, url, args...)
}

// endedBy waits for an end by a signal, as the parent of distlock sees it.
func (x *tool) endedBy(sig syscall.Signal) {
	x.t.Helper()
	if code := x.code(); code != -1 {
		x.t.Fatalf("exit code %d, want an end by %v; standard error: %q", code, sig, rest(x.errs))
	}
	if got := x.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != sig {
		x.t.Fatalf("ended by %v, want %v", got, sig)
	}
}

func (x *tool) signal(sig syscall.Signal) {
	x.t.Helper()
	if err := x.cmd.Process.Signal(sig); err != nil {
		x.t.Fatal(err)
	}
}

// free checks that nobody holds the lock a.
func free(t *testing.T, url string) {
	t.Helper()
	once(t, url, 0, "run", "--try", "a", "--", "true")
}

func TestSignalsArePassedOn(t *testing.T) {
	for _, sig := range []syscall.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
	} {
		url := locks(t)
		x := shell(t, url, fmt.Sprintf(`trap 'echo caught; exit 7' %d; echo ready; while :; do sleep 0.05; done`, sig))
		x.expect(x.out, "ready")
		x.signal(sig)
		x.expect(x.out, "caught")
		x.wait(7)
		free(t, url)
	}
}

// The lock is kept while a command that was told to end has not ended.
func TestLockIsKeptUntilTheCommandEnds(t *testing.T) {
	url := locks(t)
	x := shell(t, url, `trap 'echo caught' TERM; echo ready; while ! read -r line; do :; done; exit 5`)
	x.expect(x.out, "ready")
	x.signal(syscall.SIGTERM)
	x.expect(x.out, "caught")
	once(t, url, 1, "run", "--try", "a", "--", "true")
	_, _ = x.in.Write([]byte("end\n"))
	x.wait(5)
	free(t, url)
}

func TestCommandEndedBySignal(t *testing.T) {
	url := locks(t)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGABRT, syscall.SIGUSR1} {
		shell(t, url, fmt.Sprintf("kill -%d $$", sig)).wait(128 + int(sig))
	}
	// A shell's loop ends only if it sees that the signal was not handled.
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		shell(t, url, fmt.Sprintf("kill -%d $$", sig)).endedBy(sig)
	}
	free(t, url)
}

func TestSignalEndsTheWait(t *testing.T) {
	url := locks(t)
	holder := start(t, url, "run", "a", "--", self(t), asHolder)
	holder.holding()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		x := shell(t, url, "echo ran")
		x.expect(x.errs, "distlock: waiting for a,")
		x.signal(sig)
		if sig == syscall.SIGQUIT {
			x.wait(128 + int(sig)) // Go would print its stacks.
		} else {
			x.endedBy(sig)
		}
		if out := rest(x.out); len(out) > 0 {
			t.Errorf("the command ran: %q", out)
		}
	}
	holder.release()
	free(t, url)
}

// A server that does not answer is not waited for when a signal has come.
func TestSignalEndsTheOpening(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, url := range []string{"redis://%s", "postgres://%s/db?sslmode=disable"} {
		x := shell(t, fmt.Sprintf(url, silent.Addr()), "echo ran")
		conn, err := silent.Accept()
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		x.signal(syscall.SIGTERM)
		x.endedBy(syscall.SIGTERM)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s: it took %v; the driver's own patience is 4 s or more", url, took)
		}
		_ = conn.Close()
		if out := rest(x.out); len(out) > 0 {
			t.Errorf("the command ran: %q", out)
		}
	}
}

func TestWhatIsThereButCannotBeRun(t *testing.T) {
	dir := tempDir(t)
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("neither a script nor a program\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	url := locks(t)
	for _, command := range []string{dir, text} {
		_, errs := once(t, url, 126, "run", "a", "--", command)
		if !strings.Contains(errs, " cannot be run: ") {
			t.Errorf("%s: it says %q", command, errs)
		}
	}
	free(t, url)
}

// nohup has SIGHUP ignored; then it does not reach the command either.
func TestIgnoredHangUpStaysIgnored(t *testing.T) {
	url := locks(t)
	inner := prepare(t, url, "run", "a", "--", self(t), asHolder)
	cmd := exec.Command("sh", append([]string{"-c", `trap '' HUP; exec "$@"`, "sh"}, inner.Args...)...)
	cmd.Env = inner.Env
	x := launch(t, cmd)
	x.holding()
	x.signal(syscall.SIGHUP)
	x.release()
}

// Nothing that the command has started goes on without the lock when distlock is
// killed in a way that it cannot notice.
func TestKilledRunTakesTheCommandWithIt(t *testing.T) {
	url := locks(t)
	x := shell(t, url, background+`wait`)
	pids := append(pids(t, x), pids(t, x)...)
	x.signal(syscall.SIGKILL)
	x.endedBy(syscall.SIGKILL)
	for _, pid := range pids {
		gone(t, pid)
	}
	free(t, url)
}

func leaveGroup() error { return syscall.Setpgid(0, 0) }

// A command that leaves its process group, as timeout(1) does, is not out of reach.
func TestCommandThatLeavesItsGroup(t *testing.T) {
	for name, test := range map[string]func(x *tool, dir string){
		"signalled": func(x *tool, _ string) {
			x.signal(syscall.SIGTERM)
			x.endedBy(syscall.SIGTERM)
		},
		"lost": func(x *tool, dir string) {
			unlink(x.t, dir)
			x.wait(79)
		},
		"killed": func(x *tool, _ string) {
			x.signal(syscall.SIGKILL)
			x.endedBy(syscall.SIGKILL)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tempDir(t)
			x := start(t, fileURL(dir), "run", "a", "--", self(t), asLeaver)
			pid := pids(t, x)[0]
			defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
			test(x, dir)
			gone(t, pid)
			free(t, fileURL(dir))
		})
	}
}

// The command is ended when the lock is lost also if nobody reads what is said of it.
func TestLossIsActedUponBeforeItIsSaid(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	full := make(chan struct{})
	go func() {
		defer close(full)
		_ = write.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		for {
			if _, err := write.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}()
	<-full
	dir := tempDir(t)
	cmd := exec.Command(self(t), asTool, "run", "a", "--", "sh", "-c", "echo $$; exec sleep 1000")
	cmd.Env = append(os.Environ(), "DISTLOCK_URL="+fileURL(dir))
	cmd.Stderr = write
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	unlink(t, dir)
	gone(t, pid)
}

// With --on-lost=warn the command is to go on, whatever happens to the lock.
func TestKilledRunSparesTheCommandIfItShouldOnlyWarn(t *testing.T) {
	url := locks(t)
	x := shell(t, url, `echo $$; read -r line; echo "went on"`, "--on-lost=warn")
	pid := pids(t, x)[0]
	x.signal(syscall.SIGKILL)
	x.endedBy(syscall.SIGKILL)
	free(t, url)
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("the command is gone: %v", err)
	}
	_, _ = x.in.Write([]byte("\n"))
	x.expect(x.out, "went on")
}

// A command that handles SIGTERM gets it from the guard too.
func TestKilledRunSignalsTheCommand(t *testing.T) {
	url := locks(t)
	x := shell(t, url, `trap 'echo caught; exit' TERM; echo ready; while :; do sleep 0.05; done`, "--on-lost=signal")
	x.expect(x.out, "ready")
	x.signal(syscall.SIGKILL)
	x.expect(x.out, "caught")
}

// What the command leaves in the background neither keeps the lock nor is it
// harmed by the end of the run.
func TestBackgroundProcessesAreLeftAlone(t *testing.T) {
	url := locks(t)
	x := shell(t, url, `sleep 1000 >/dev/null 2>&1 & echo $!`)
	pid := pids(t, x)[0]
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	x.wait(0)
	free(t, url)
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("the background process is gone: %v", err)
	}
}

func TestLostLock(t *testing.T) {
	for _, test := range []struct {
		mode, script, says string
		code               int
	}{
		{"kill", `trap 'echo caught' TERM; ` + background + `while :; do wait; done`, "; killing the command", 79},
		{"signal", `trap 'exit 3' TERM; ` + background + `wait`, "; telling the command to end", 79},
		{"warn", background + `read -r line; kill $!; exit 3`, "; the command goes on unguarded", 3},
	} {
		t.Run(test.mode, func(t *testing.T) {
			dir := tempDir(t)
			x := shell(t, fileURL(dir), test.script, "--on-lost", test.mode)
			pids := append(pids(t, x), pids(t, x)...)
			unlink(t, dir)
			if line := x.expect(x.errs, `distlock: hold "a": lost: `); !strings.HasSuffix(line, test.says) {
				t.Errorf("it says %q, want it to end in %q", line, test.says)
			}
			if test.mode == "warn" {
				_, _ = x.in.Write([]byte("\n"))
			}
			x.wait(test.code)
			for _, pid := range pids {
				gone(t, pid)
			}
			if more := rest(x.errs); len(more) > 0 {
				t.Errorf("it says more: %q", more)
			}
			free(t, fileURL(dir))
		})
	}
}

// After a stop of distlock the lock may have been lost although nothing has told
// so yet. The command must not go on then.
func TestLossIsSeenBeforeTheCommandGoesOn(t *testing.T) {
	signals := make(chan os.Signal, 1)
	x := &child{
		cmd:     exec.Command("sh", "-c", "kill -STOP $$; echo went on"),
		hold:    lostHold{},
		onLost:  killOnLoss,
		signals: signals,
	}
	signals <- syscall.SIGCONT
	out, err := os.CreateTemp(tempDir(t), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	x.cmd.Stdout = out
	ended := x.run()
	if e, ok := errors.AsType[*exitError](ended); !ok || e.code != 128+9 {
		t.Errorf("the command ended with %v, want SIGKILL", ended)
	}
	if text, err := os.ReadFile(out.Name()); err != nil || len(text) > 0 {
		t.Errorf("the command printed %q, %v", text, err)
	}
}

// lostHold is a handle whose loss only its clock knows.
type lostHold struct{}

func (lostHold) Name() string                  { return "a" }
func (lostHold) Token() uint64                 { return 1 }
func (lostHold) Done() <-chan struct{}         { return nil }
func (lostHold) Err() error                    { return fmt.Errorf("%w: the lease has run out", distlock.ErrLost) }
func (lostHold) Release(context.Context) error { return distlock.ErrLost }

// background is a piece of script that starts a process in the background. It
// prints the ids of the two processes in two lines, when the second is itself:
// before that it would still have the traps of the first.
const background = `sh -c 'echo $$; exec sleep 1000' & echo $$; `

// unlink removes every file below dir, as a careless bystander does.
func unlink(t *testing.T, dir string) {
	t.Helper()
	removed := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			removed++
			err = os.Remove(path)
		}
		return err
	})
	if err != nil || removed == 0 {
		t.Fatalf("removed %d files: %v", removed, err)
	}
}

// pids reads the process ids that the command prints in one line.
func pids(t *testing.T, x *tool) []int {
	t.Helper()
	var all []int
	for word := range strings.FieldsSeq(x.expect(x.out, "")) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pid)
	}
	return all
}

// gone waits until a process has ended. It may stay a zombie for as long as
// whoever inherits it does not wait for it.
func gone(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie(pid) {
			return
		}
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Fatalf("process %d still runs after %v", pid, patience)
}

func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}
