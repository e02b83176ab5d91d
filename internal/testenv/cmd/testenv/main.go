//go:build unix

// Command testenv starts the servers that the tests of the modules in go.work
// need, runs a command with the variables set that tell of them, and stops them
// when the command has ended. Its exit code is the command's.
//
//	testenv -- go test work
//	testenv -need postgres,redis -- bash
//	testenv -need redis           # prints the variables and waits for an interrupt
//
// Package testenv says which variables there are and where the servers come
// from.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/distlock/distlock-go/internal/testenv"
)

func main() {
	need := flag.String("need", "auto", "`servers`: postgres, redis, both separated by a comma, none, or auto for what go.work's modules need")
	flag.Parse()
	code, err := run(*need, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(need string, command []string) (code int, err error) {
	needs, err := needsOf(need)
	if err != nil {
		return 1, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	env, err := testenv.StartEnvironment(ctx, needs)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, env.Close()) }()
	if len(command) == 0 {
		for _, v := range env.Vars() {
			name, value, _ := strings.Cut(v, "=")
			fmt.Printf("export %s='%s'\n", name, value)
		}
		<-ctx.Done()
		return 0, nil
	}
	return runCommand(ctx, command, env.Vars())
}

// runCommand runs the command until it ends by itself. Told to stop, it tells
// the command and waits for it: an interrupt at a terminal has reached both.
func runCommand(ctx context.Context, command, vars []string) (int, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), vars...)
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exitCode(exit), nil
	}
	return 0, err
}

// exitCode returns a command's exit code, as a shell has it if a signal ended
// the command.
func exitCode(exit *exec.ExitError) int {
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

func needsOf(need string) (testenv.Needs, error) {
	if need == "auto" {
		modules, err := workspace()
		return testenv.NeedsOf(modules), err
	}
	var needs testenv.Needs
	for name := range strings.SplitSeq(need, ",") {
		switch name {
		case "postgres":
			needs.Postgres = true
		case "redis":
			needs.Redis = true
		case "none", "":
		default:
			return needs, fmt.Errorf("testenv: -need %s: there is no server %q; use postgres, redis, none or auto", need, name)
		}
	}
	return needs, nil
}

// workspace returns the directories of the modules in go.work.
func workspace() ([]string, error) {
	out, err := exec.Command("go", "work", "edit", "-json").Output()
	if err != nil {
		return nil, fmt.Errorf("testenv: go work edit -json: %w", err)
	}
	var work struct{ Use []struct{ DiskPath string } }
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&work); err != nil {
		return nil, err
	}
	var modules []string
	for _, use := range work.Use {
		modules = append(modules, use.DiskPath)
	}
	return modules, nil
}
