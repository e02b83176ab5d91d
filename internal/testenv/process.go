//go:build unix

package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// local launches a program as a process of this machine.
type local struct {
	program program
	path    string // of the executable
	work    string
	as      *syscall.Credential
}

func newLocal(p program, where origin) (*local, error) {
	as, err := owner()
	if err != nil {
		return nil, err
	}
	work, err := workDir(where.server, as)
	if err != nil {
		return nil, err
	}
	l := &local{program: p, path: filepath.Join(where.dir, where.server), work: work, as: as}
	for name, content := range p.files {
		if err := l.write(name, content); err != nil {
			return nil, errors.Join(err, os.RemoveAll(work))
		}
	}
	return l, nil
}

func (l *local) remove(context.Context) error {
	return errors.Join(removeMemory(l.work), os.RemoveAll(l.work))
}

// write puts a file into the server's directory that the server may change.
func (l *local) write(name, content string) error {
	path := filepath.Join(l.work, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return err
	}
	if l.as == nil {
		return nil
	}
	return os.Chown(path, int(l.as.Uid), int(l.as.Gid))
}

func (l *local) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = l.work
	// A plain language: some tests look for words in messages.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+l.work)
	for name, value := range l.program.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true, // An interrupt of the terminal is for the test, which then stops its servers.
	}
	if l.as != nil {
		cmd.SysProcAttr.Credential = l.as
	}
	dieWithParent(cmd.SysProcAttr)
	return cmd
}

// run runs another program of the family to its end, such as initdb.
func (l *local) run(ctx context.Context, name string, args ...string) error {
	cmd := l.command(ctx, filepath.Join(filepath.Dir(l.path), name), args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("testenv: %s: %w\n%s", name, err, out)
	}
	return nil
}

func (l *local) launch(context.Context) (running, error) {
	logFile, err := os.OpenFile(l.logPath(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	// Not the caller's context: it bounds the start, not the life.
	cmd := l.command(context.Background(), l.path, l.program.args(l.work)...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	return start(cmd)
}

func (l *local) logPath() string { return filepath.Join(l.work, "log") }

func (l *local) log(context.Context) string {
	content, err := os.ReadFile(l.logPath())
	if err != nil {
		return err.Error()
	}
	return string(tail(content))
}

// tail returns the end of a log that may be long.
func tail(content []byte) []byte {
	const most = 4000
	return content[max(0, len(content)-most):]
}

// process is a running process. One goroutine starts it, waits for it and keeps
// its operating-system thread to itself until then: Linux sends the parent-death
// signal when the thread that forked ends, not when the process does.
type process struct {
	pid int
	end chan struct{}
}

func start(cmd *exec.Cmd) (*process, error) {
	p := &process{end: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // That it ended is all we ask; its log says why.
			close(p.end)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

func (p *process) done() <-chan struct{} { return p.end }

func (p *process) signal(s syscall.Signal) error {
	select {
	case <-p.end:
		return errEnded // Its id may be another's by now.
	default:
		return syscall.Kill(p.pid, s)
	}
}

var errEnded = errors.New("testenv: the server does not run")

// kill freezes the main process first, so that it neither starts children nor
// mourns them, and returns when none of them is left.
func (p *process) kill() error {
	if err := p.freeze(); err != nil {
		return err
	}
	return p.all(syscall.SIGKILL, 0)
}

// pause freezes the main process first, so that it starts no children behind our
// back, and returns when all of them stand still.
func (p *process) pause() error {
	if err := p.freeze(); err != nil {
		return err
	}
	return p.all(syscall.SIGSTOP, 'T')
}

// freeze stops the main process, and returns when it stands still: until it has
// taken the signal in, it may be making one more child.
func (p *process) freeze() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return standing('T', []int{p.pid})
}

func (p *process) resume() error {
	var errs []error
	for _, pid := range p.tree() {
		errs = append(errs, kill(pid, syscall.SIGCONT))
	}
	return errors.Join(errs...)
}

// all signals the process and its descendants and waits until it shows.
func (p *process) all(s syscall.Signal, state byte) error {
	pids := p.tree()
	for _, pid := range pids {
		if err := kill(pid, s); err != nil {
			return err
		}
	}
	return standing(state, pids)
}

// standing waits until all that still live of these are in the state.
func standing(state byte, pids []int) error {
	return until(context.Background(), 10*time.Second, func(context.Context) error {
		if !areAll(state, pids) {
			return fmt.Errorf("testenv: processes %v are not all in the state %q", pids, state)
		}
		return nil
	})
}

func (p *process) tree() []int { return append([]int{p.pid}, descendants(p.pid)...) }

// kill signals a process that may have ended already.
func kill(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
