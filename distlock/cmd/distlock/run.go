package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/distlock/distlock-go/distlock"
)

// A job is one distlock run.
type job struct {
	backend string
	name    string
	argv    []string

	shared    bool
	exclusive bool
	permits   int // of a semaphore; 0: not a semaphore
	try       bool
	timeout   time.Duration // 0: none
	onLost    onLost
	busyCode  int
	quiet     bool
}

func newRun(backend *string) *cobra.Command {
	j := &job{onLost: killOnLoss, busyCode: codeBusy}
	cmd := &cobra.Command{
		Use:   "run [flags] NAME -- COMMAND [ARG...]",
		Short: "Run a command while holding a lock",
		Long: `Run COMMAND while holding the lock NAME, waiting for it first if it is held
elsewhere.

A lock, a reader-writer lock (--shared, --exclusive) and a semaphore
(--semaphore) of the same name are different objects: a run with --shared keeps
out one with --exclusive, but not one without either.

The lock is held until COMMAND ends. What COMMAND leaves running in the
background is no longer covered by it. Signals that reach distlock are passed on
to COMMAND and to everything it has started, and the lock is kept until COMMAND
has ended. If distlock is killed outright (kill -9), COMMAND and what it has
started are ended as by --on-lost.

COMMAND finds in its environment DISTLOCK_NAME, and DISTLOCK_TOKEN, a number
that is greater with each holder of NAME: a resource that remembers the greatest
one it has seen can refuse a holder that comes too late.

Exit codes: that of COMMAND, or 128+N if signal N ended it; or, of distlock,
  1    NAME is held elsewhere (--try, --timeout); see --conflict-exit-code
  64   the command line, NAME or the URL is not right
  69   the backend cannot be used
  70   anything else that went wrong
  79   the lock was lost while COMMAND ran (not with --on-lost=warn)
  126  COMMAND cannot be run
  127  COMMAND was not found`,
		Example: `  distlock run nightly-report -- ./report.sh --all
  distlock run --try deploy -- make deploy || echo "somebody else deploys"
  distlock run --timeout 30s --semaphore 3 encoders -- ffmpeg ...
  distlock run --shared data -- ./backup.sh
  distlock run --exclusive data -- ./migrate.sh`,
		Args: func(cmd *cobra.Command, args []string) error { return j.parse(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			j.backend = *backend
			return j.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&j.try, "try", false, "do not wait: fail if the lock is held elsewhere")
	f.DurationVar(&j.timeout, "timeout", 0, "wait no longer than `DURATION`, such as 30s or 5m (default: no limit)")
	f.BoolVar(&j.shared, "shared", false, "hold the reader-writer lock NAME for reading, together with others")
	f.BoolVar(&j.exclusive, "exclusive", false, "hold the reader-writer lock NAME for writing, alone")
	f.IntVar(&j.permits, "semaphore", 0, "hold one of `N` permits of the semaphore NAME")
	f.Var(&j.onLost, "on-lost", "what to do when the lock is lost: kill the command, signal it (SIGTERM), or warn")
	f.IntVar(&j.busyCode, "conflict-exit-code", codeBusy, "exit `CODE` if the lock is held elsewhere")
	f.BoolVarP(&j.quiet, "quiet", "q", false, "do not say that and for whom the command waits, nor that it did not get the lock")
	choices(cmd, "on-lost", killOnLoss, signalOnLoss, warnOnLoss)
	return cmd
}

// parse checks the arguments, and the flags as far as they depend on each other.
func (j *job) parse(cmd *cobra.Command, args []string) error {
	dash, given := cmd.ArgsLenAtDash(), cmd.Flags().Changed
	switch {
	case len(args) == 0:
		return errors.New("the NAME of the lock is missing")
	case dash < 0 && len(args) == 1 || dash == len(args):
		return fmt.Errorf("the COMMAND is missing: distlock run %s -- COMMAND", show(args[0]))
	case dash < 0:
		return fmt.Errorf(`there must be "--" before the command, as in: distlock run %s -- %s`, show(args[0]), show(args[1]))
	case dash != 1:
		return fmt.Errorf(`there must be one NAME before "--", not %d`, dash)
	case j.shared && j.exclusive, given("semaphore") && (j.shared || j.exclusive):
		return errors.New("--shared, --exclusive and --semaphore name different objects; give one of them")
	case j.try && given("timeout"):
		return errors.New("--try does not wait, so it takes no --timeout")
	case given("timeout") && j.timeout <= 0:
		return errors.New("--timeout must be longer than 0; use --try not to wait at all")
	case given("semaphore") && j.permits < 1:
		return errors.New("--semaphore must be at least 1")
	case j.busyCode < 0 || j.busyCode > 255:
		return errors.New("--conflict-exit-code must be from 0 to 255")
	}
	j.name, j.argv = args[0], args[1:]
	return nil
}

// run takes the lock, runs the command and releases the lock. The command is
// looked for first: one that does not exist must not make anybody wait.
func (j *job) run(ctx context.Context) error {
	path, err := lookUp(j.argv[0])
	if err != nil {
		return err
	}
	signals := catch()
	p, err := j.open(ctx, signals)
	if err != nil {
		return err
	}
	defer func() { warn(p.Close()) }()
	h, err := j.acquire(ctx, p, signals)
	if err != nil {
		return err
	}
	child := &child{
		cmd:     &exec.Cmd{Path: path, Args: j.argv, Env: j.environment(h), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr},
		hold:    h,
		onLost:  j.onLost,
		signals: signals,
	}
	ended := child.run()
	released := h.Release(ctx)
	if !errors.Is(released, distlock.ErrLost) {
		warn(released)
		return ended
	}
	child.lost(released, true)
	if j.onLost == warnOnLoss {
		return ended
	}
	return &exitError{code: codeLost}
}

// open opens the backend. A signal that arrives meanwhile ends the program as if it
// had not been caught, and at once: nothing is held yet, so a server that does not
// answer need not be waited for, as some drivers do whatever their context says.
func (j *job) open(ctx context.Context, signals <-chan os.Signal) (distlock.Provider, error) {
	var p distlock.Provider
	var err error
	opened := make(chan struct{})
	go func() {
		p, err = open(ctx, j.backend, filepath.Base(j.argv[0]))
		close(opened)
	}()
	select {
	case <-opened:
		return p, err
	case sig := <-signals:
		return nil, endBy(sig.(syscall.Signal))
	}
}

// object returns what the flags name, and its kind.
func (j *job) object(p distlock.Provider) (distlock.Lock, distlock.Kind) {
	switch {
	case j.shared:
		return distlock.Reader(p.NewRWLock(j.name)), distlock.KindRWLock
	case j.exclusive:
		return distlock.Writer(p.NewRWLock(j.name)), distlock.KindRWLock
	case j.permits > 0:
		return p.NewSemaphore(j.name, j.permits), distlock.KindSemaphore
	}
	return p.NewLock(j.name), distlock.KindLock
}

// environment is what the command sees.
func (j *job) environment(h distlock.Handle) []string {
	return append(os.Environ(), "DISTLOCK_NAME="+j.name, "DISTLOCK_TOKEN="+strconv.FormatUint(h.Token(), 10))
}
