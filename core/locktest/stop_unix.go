//go:build unix

package locktest

import (
	"syscall"
	"time"
)

var canStop = need{"", func(*Harness, *view) bool { return true }}

// stop stops the process as a paused virtual machine would be, until its leases
// have run out.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		p.t.Fatalf("SIGSTOP failed: %v", err)
	}
	time.Sleep(p.t.h.Lease + p.t.h.Lease/4)
}

// goOn ends what stop began.
func (p *process) goOn() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		p.t.Fatalf("SIGCONT failed: %v", err)
	}
}
