// Command distlock runs a command while it holds a lock, and shows who holds
// what.
//
//	distlock run nightly-report -- ./report.sh
//
// Run it without arguments for its commands, and each with --help. Of the same
// name, on the same backend, it excludes every program that uses the library.
//
// # Exit codes
//
// distlock run ends as its command does: with its exit code, or with 128+N if
// signal N ended it. If distlock itself ends the run, its exit code says why:
//
//	1    the lock is held elsewhere (--try, --timeout); --conflict-exit-code changes it
//	64   the command line, a name or a URL is not right
//	69   the backend cannot be used
//	70   anything else
//	79   the lock was lost while the command ran
//	126  the command cannot be run
//	127  the command was not found
//
// 1, 126, 127 and 128+N are those of flock(1) and the shell, 64 to 70 those of
// sysexits.h. The other subcommands use 0, 64, 69 and 70; distlock doctor also 1,
// if it has warnings, and distlock break 1, if it was told not to.
//
// # Output
//
// What a script would read goes to standard output, as JSON with --json;
// messages go to standard error. Colours and lines that are kept up to date
// appear on a terminal only, and no colours if NO_COLOR is set, or TERM is dumb.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"
)

func main() {
	if guard(os.Args) {
		return
	}
	redis.SetLogger(silent{})
	root := newRoot()
	err := root.Execute()
	if err == nil {
		return
	}
	if text := message(err); text != "" {
		fmt.Fprintln(os.Stderr, text)
	}
	exit(err)
}

// newRoot returns the whole command line.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "distlock",
		Short: "Run a command while holding a lock; see who holds what",
		Long: `Run a command while holding a lock, and see who holds what.

Without --backend or DISTLOCK_URL the locks are files in a directory of the
user, which needs no server and excludes the user's processes on this machine.
A URL with a password is better put into DISTLOCK_URL, because everybody can see
the command lines of a machine.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var backend string
	root.PersistentFlags().StringVar(&backend, "backend", "", "`URL` of the backend (default $DISTLOCK_URL, or files of the user)")
	root.SetFlagErrorFunc(usageError)
	root.SetVersionTemplate("distlock {{.Version}}\n")
	root.AddCommand(newRun(&backend), newList(&backend), newInspect(&backend), newBreak(&backend), newDoctor(&backend), newVersion())
	for _, cmd := range append(root.Commands(), root) {
		checkArgs(cmd)
		switch cmd.Name() {
		case "run", "ls", "inspect", "break":
			cmd.ValidArgsFunction = completeNames(&backend)
		}
	}
	return root
}

// checkArgs makes what is wrong with a command's arguments a usage error.
func checkArgs(cmd *cobra.Command) {
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError(cmd, err)
		}
		return nil
	}
}

// usageError says what is wrong with the command line and where to read on.
func usageError(cmd *cobra.Command, err error) error {
	return &exitError{code: codeUsage, err: fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
}

// usage is an error of the command line.
func usage(format string, args ...any) error {
	return &exitError{code: codeUsage, err: fmt.Errorf(format, args...)}
}

// message returns what to print of an error, in one line. The errors of the
// library already begin with the name of the program.
func message(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", "; ")
	if text == "" || strings.HasPrefix(text, "distlock: ") {
		return text
	}
	return "distlock: " + text
}

// silent keeps the Redis driver from writing to standard error what it returns
// as an error too.
type silent struct{}

// Printf implements the driver's logger.
func (silent) Printf(context.Context, string, ...any) {}
