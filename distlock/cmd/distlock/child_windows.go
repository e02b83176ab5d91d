package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// catch begins to catch what ends distlock. The console tells the command too,
// so there is nothing to pass on: distlock only has to outlive it.
func catch() chan os.Signal {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	return signals
}

// dieOf does nothing: the exit code has to do.
func dieOf(syscall.Signal) {}

// guard reports that this process is no guard: the job object does its work.
func guard([]string) bool { return false }

// run starts the command in a job object and waits for it. If distlock dies the
// system closes the job, and ends all of its processes. Windows has no SIGTERM,
// so a command that is to be told of a loss is ended too.
func (c *child) run() error {
	j, err := newJobObject(c.onLost != warnOnLoss)
	if err != nil {
		return err
	}
	defer j.close()
	if err := c.cmd.Start(); err != nil {
		return cannotRun(c.cmd.Args[0], err)
	}
	assigned := j.assign(c.cmd.Process)
	if assigned != nil {
		_ = c.cmd.Process.Kill() // unless it has ended, which is why it could not be assigned
	}
	ended := make(chan error, 1)
	go func() { ended <- c.cmd.Wait() }()
	lost := c.hold.Done()
	for {
		select {
		case err := <-ended:
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				return &exitError{code: exit.ExitCode(), err: assigned}
			}
			return err
		case <-c.signals:
		case <-lost:
			lost = nil
			cause := c.hold.Err()
			if c.onLost != warnOnLoss {
				_ = windows.TerminateJobObject(j.handle, codeLost)
			}
			c.lost(cause, false) // Last: nobody need be reading it.
		}
	}
}

// A jobObject is a group of processes that a child belongs to from its birth.
type jobObject struct{ handle windows.Handle }

// newJobObject makes a job whose processes end with it.
func newJobObject(endWithIt bool) (*jobObject, error) {
	h, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, os.NewSyscallError("CreateJobObject", err)
	}
	j := &jobObject{h}
	if !endWithIt {
		return j, nil
	}
	if err := j.limit(windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE); err != nil {
		_ = windows.CloseHandle(h)
		return nil, os.NewSyscallError("SetInformationJobObject", err)
	}
	return j, nil
}

func (j *jobObject) limit(flags uint32) error {
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	info.BasicLimitInformation.LimitFlags = flags
	_, err := windows.SetInformationJobObject(j.handle, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	return err
}

// assign puts a process into the job. What the process starts before that is
// outside.
func (j *jobObject) assign(p *os.Process) error {
	var err error
	if err2 := p.WithHandle(func(h uintptr) { err = windows.AssignProcessToJobObject(j.handle, windows.Handle(h)) }); err2 != nil {
		return err2
	}
	return os.NewSyscallError("AssignProcessToJobObject", err)
}

// close gives the job up, and spares what the command has left running.
func (j *jobObject) close() {
	_ = j.limit(0)
	_ = windows.CloseHandle(j.handle)
}
