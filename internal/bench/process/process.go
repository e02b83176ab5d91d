// Package process runs parts of a benchmark in processes of their own, each of which
// is the benchmark's binary, started again: competitors that share nothing but the
// server.
package process

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
)

// A Process is one of them.
type Process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// Start starts one, to which the environment variable says what to do, and returns
// when it is ready. It ends with the benchmark.
func Start(tb testing.TB, variable, value string) *Process {
	tb.Helper()
	program, err := os.Executable()
	must(tb, err)
	p := &Process{cmd: exec.Command(program)}
	p.cmd.Env = append(os.Environ(), variable+"="+value)
	p.cmd.Stderr = os.Stderr
	p.stdin, err = p.cmd.StdinPipe()
	must(tb, err)
	stdout, err := p.cmd.StdoutPipe()
	must(tb, err)
	p.stdout = bufio.NewReader(stdout)
	must(tb, p.cmd.Start())
	tb.Cleanup(func() {
		_ = p.stdin.Close()
		_ = p.cmd.Wait()
	})
	_, err = p.stdout.ReadString('\n')
	must(tb, err)
	return p
}

// Begin has it begin.
func (p *Process) Begin(tb testing.TB) {
	tb.Helper()
	_, err := p.stdin.Write([]byte{1})
	must(tb, err)
}

// Stop has it stop.
func (p *Process) Stop(tb testing.TB) {
	tb.Helper()
	must(tb, p.stdin.Close())
}

// Result waits for what it has to say.
func (p *Process) Result(tb testing.TB, v any) {
	tb.Helper()
	must(tb, json.NewDecoder(p.stdout).Decode(v))
}

// Work is what such a process does until the context ends. What it returns goes to
// [Process.Result].
type Work func(context.Context) (any, error)

// Main is the life of such a process: it opens what it needs, says that it is ready,
// works from when it is told to begin until it is told to stop, and says what came of
// it.
func Main(open func() (Work, error)) {
	if err := run(open); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(open func() (Work, error)) error {
	work, err := open()
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := io.ReadFull(os.Stdin, make([]byte, 1)); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	result, err := work(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
