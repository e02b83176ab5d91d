//go:build unix

package locktest

import "syscall"

var canStop = need{"", func(*Harness, *view) bool { return true }}

// stop stops the process, as a machine is that its host has paused.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		p.t.Fatalf("SIGSTOP failed: %v", err)
	}
}

// goOn ends what stop began.
func (p *process) goOn() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		p.t.Fatalf("SIGCONT failed: %v", err)
	}
}
