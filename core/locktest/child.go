package locktest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A process is the test binary, started a second time; see [Main].
type process struct {
	t      *trial
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string
	exited chan struct{}
	errors bytes.Buffer // what it wrote to standard error; to be read after exited
}

// process starts a process, which ends with the case at the latest.
func (t *trial) process() *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatalf("no second process: %v", err)
	}
	p := &process{t: t, lines: make(chan string, 64), exited: make(chan struct{})}
	p.cmd = exec.Command(self, "-test.run=^$")
	p.cmd.Env = append(os.Environ(), processVariable+"="+t.h.Process)
	p.cmd.Stderr = &p.errors
	p.in, err = p.cmd.StdinPipe()
	if err != nil {
		t.Fatalf("no second process: %v", err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("no second process: %v", err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("no second process: %v", err)
	}
	t.started = append(t.started, p)
	go p.read(out)
	p.expect("ready")
	return p
}

// read passes on what the process says until it has ended.
func (p *process) read(out io.Reader) {
	for s := bufio.NewScanner(out); s.Scan(); {
		p.lines <- s.Text()
	}
	close(p.lines)
	_ = p.cmd.Wait()
	close(p.exited)
}

// send gives a command.
func (p *process) send(command string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, command); err != nil {
		p.t.Fatalf("the second process does not listen: %v", err)
	}
}

// expect waits for an answer that begins with a word, and returns the rest.
// News of waiting are passed over unless it is for these.
func (p *process) expect(word string) string {
	p.t.Helper()
	late := time.After(p.t.patience() + p.t.h.Lease)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				<-p.exited
				p.t.Fatalf("another process has ended (does TestMain call locktest.Main?): %s", p.errors.String())
			}
			first, rest, _ := strings.Cut(line, " ")
			if first == word {
				return rest
			}
			if first != "waiting" {
				p.t.Fatalf("another process says %q; it must be %q", line, word)
			}
		case <-late:
			p.t.Fatalf("another process does not say %q", word)
		}
	}
}

// kill ends the process with no chance to do anything, and waits for its end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	for range p.lines { // What it has said is of no interest any more.
	}
	<-p.exited
}
