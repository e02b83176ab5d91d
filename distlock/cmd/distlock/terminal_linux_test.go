package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A console is a distlock on a terminal of its own, as in a window.
type console struct {
	*tool
	master *os.File

	mu   sync.Mutex
	seen strings.Builder // everything that was shown
}

// open starts a distlock as the leader of a session on a new pseudo-terminal.
func openConsole(t *testing.T, url string, args ...string) *console {
	t.Helper()
	master, slave := pseudoTerminal(t)
	cmd := prepare(t, url, args...)
	cmd.Env = append(cmd.Env, "TERM=xterm")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	c := &console{tool: &tool{t: t, cmd: cmd, result: make(chan error, 1)}, master: master}
	go c.read()
	go func() { c.result <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return c
}

func pseudoTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	var errs [3]error
	if err := raw.Control(func(fd uintptr) {
		errs[0] = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		number, errs[1] = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		errs[2] = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 120})
	}); err != nil {
		t.Fatal(err)
	}
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

func (c *console) read() {
	buf := make([]byte, 4096)
	for {
		n, err := c.master.Read(buf)
		c.mu.Lock()
		c.seen.Write(buf[:n])
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *console) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen.String()
}

// await waits until something has been shown.
func (c *console) await(want string) {
	c.t.Helper()
	c.until(fmt.Sprintf("to see %q", want), func() bool { return strings.Contains(c.text(), want) })
}

func (c *console) until(what string, is func() bool) {
	c.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("waited %v in vain %s; seen %q", patience, what, c.text())
		}
	}
}

// press types what a person would: "\x03" is Ctrl-C, "\x1a" is Ctrl-Z.
func (c *console) press(keys string) {
	c.t.Helper()
	if _, err := c.master.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

func (c *console) ended(sig syscall.Signal) {
	c.t.Helper()
	c.until("for the end", func() bool { return len(c.result) > 0 })
	<-c.result
	if got := c.cmd.ProcessState.Sys().(syscall.WaitStatus); got.Signal() != sig {
		c.t.Fatalf("ended with %v, want signal %v; seen %q", c.cmd.ProcessState, sig, c.text())
	}
}

func TestTerminalShowsForWhomItWaits(t *testing.T) {
	url := locks(t)
	first := start(t, url, "run", "a", "--", self(t), asHolder)
	first.holding()
	c := openConsole(t, url, "run", "a", "--", "echo", "the command")
	held := fmt.Sprintf("\r\x1b[Kwaiting for a, held by pid %d on ", first.cmd.Process.Pid)
	c.await(held)
	c.until("for the line to be renewed", func() bool { return strings.Count(c.text(), held) > 1 })
	first.release()
	c.await("the command")
	c.until("for the end", func() bool { return len(c.result) > 0 })
	// The last line is taken away before the command says anything.
	if before, _, _ := strings.Cut(c.text(), "the command"); !strings.HasSuffix(before, "\r\x1b[K") {
		t.Errorf("before the command: %q; want the line cleared", before)
	}
}

func TestTerminalLineFollowsTheHolder(t *testing.T) {
	url := locks(t)
	first := start(t, url, "run", "a", "--", self(t), asHolder)
	first.holding()
	second := start(t, url, "run", "a", "--", self(t), asHolder)
	second.expect(second.errs, "distlock: waiting")
	c := openConsole(t, url, "run", "a", "--", "true")
	c.await(fmt.Sprintf("held by pid %d on ", first.cmd.Process.Pid))
	first.release()
	c.await(fmt.Sprintf("held by pid %d on ", second.cmd.Process.Pid))
	second.holding()
	second.release()
	c.until("for the end", func() bool { return len(c.result) > 0 })
}

func TestInterruptOnATerminal(t *testing.T) {
	url := locks(t)
	c := openConsole(t, url, "run", "a", "--", "sh", "-c", "echo ready; exec sleep 1000")
	c.await("ready")
	waiting := openConsole(t, url, "run", "a", "--", "true")
	waiting.await("waiting for a")
	waiting.press("\x03")
	waiting.ended(syscall.SIGINT)
	c.press("\x03")
	c.ended(syscall.SIGINT)
	free(t, url)
}

// A command in a process group of its own could not read the terminal; it gets
// it when it tries.
func TestCommandReadsTheTerminal(t *testing.T) {
	url := locks(t)
	c := openConsole(t, url, "run", "a", "--", "sh", "-c", `read -r x; echo "got $x"; read -r x; echo "and $x"; exec sleep 1000`)
	c.press("one\n")
	c.await("got one")
	c.press("two\n")
	c.await("and two")
	c.press("\x03")
	c.ended(syscall.SIGINT)
	free(t, url)
}

// Ctrl-Z stops the command and distlock, so that a shell gets its prompt back;
// the lock stays held. When the shell continues distlock, the command goes on.
func TestStopAndContinue(t *testing.T) {
	for _, test := range []struct{ name, script, next string }{
		{"reading", `echo ready; read -r x; echo "got $x"; read -r x; echo "and $x"`, "two\n"},
		{"running", `trap 'kill $!; echo "and two"; exit' USR1; sleep 1000 & echo ready; wait`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			url := locks(t)
			c := openConsole(t, url, "run", "a", "--", "sh", "-c", test.script)
			c.await("ready")
			if test.name == "reading" {
				// It was given the terminal, so Ctrl-Z will reach the command only.
				c.press("one\n")
				c.await("got one")
			}
			c.press("\x1a")
			c.until("for distlock to stop", func() bool { return state(c.cmd.Process.Pid) == "T" })
			if got := c.foreground(); got != c.cmd.Process.Pid {
				t.Errorf("the foreground group is %d; distlock, %d, must have taken the terminal back", got, c.cmd.Process.Pid)
			}
			once(t, url, 1, "run", "--try", "a", "--", "true")
			c.signal(syscall.SIGCONT)
			c.press(test.next)
			if test.next == "" {
				c.until("for distlock to go on", func() bool { return state(c.cmd.Process.Pid) != "T" })
				c.signal(syscall.SIGUSR1)
			}
			c.await("and two")
			c.until("for the end", func() bool { return len(c.result) > 0 })
			free(t, url)
		})
	}
}

// foreground returns the foreground process group of the terminal.
func (c *console) foreground() int {
	raw, err := c.master.SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	id := 0
	_ = raw.Control(func(fd uintptr) { id, err = unix.IoctlGetInt(int(fd), unix.TIOCGPGRP) })
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// state returns the state of a process, as ps shows it.
func state(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	after, _, _ = strings.Cut(after, " ")
	return after
}

func TestBreakAsksOnATerminal(t *testing.T) {
	url := locks(t)
	holder := start(t, url, "run", "a", "--", self(t), asHolder)
	holder.holding()
	for _, test := range []struct {
		answer string
		code   int
		says   string
	}{
		{"\n", 1, "nothing was broken"},
		{"n\n", 1, "nothing was broken"},
		{"\x04", 1, "nothing was broken"},
		{"y\n", 0, "1 hold was ended"},
	} {
		c := openConsole(t, url, "break", "a")
		c.await(fmt.Sprintf("(pid %d) on ", holder.cmd.Process.Pid))
		c.await("[y/N] ")
		c.press(test.answer)
		c.until("for the end", func() bool { return len(c.result) > 0 })
		c.await(test.says)
		c.wait(test.code)
	}
	holder.wait(79)
}

func TestDoctorHasColoursOnATerminal(t *testing.T) {
	url := locks(t)
	c := openConsole(t, url, "doctor")
	c.await("\x1b[32mhealthy\x1b[0m")
	c.wait(0)
	t.Setenv("NO_COLOR", "1")
	c = openConsole(t, url, "doctor")
	c.await("healthy")
	c.wait(0)
	if strings.Contains(c.text(), "\x1b") {
		t.Errorf("with NO_COLOR: %q", c.text())
	}
}

func TestWatchRedrawsATerminal(t *testing.T) {
	url := locks(t)
	c := openConsole(t, url, "ls", "--watch", "--interval", "10ms")
	c.await("nothing is held")
	holder := start(t, url, "run", "a", "--", self(t), asHolder)
	holder.holding()
	c.await("\x1b[1mNAME")
	c.press("\x03")
	c.ended(syscall.SIGINT)
	holder.release()
}
