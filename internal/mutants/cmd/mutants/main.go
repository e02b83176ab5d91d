// Mutants plants defects into the source files of packages, one at a time, and
// reports those that no test notices, unless they are listed as equivalent: each
// as it is found to standard error, and a table to standard output.
//
//	go run ./internal/mutants/cmd/mutants -dir core -equivalent list.txt ./driver ./internal/lease
//
// It fails, and prints no table, if the tests fail without any defect, or if the
// list has lines that fit nothing. It works from the root of the repository.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"time"

	"github.com/distlock/distlock-go/internal/mutants"
)

func main() {
	dir := flag.String("dir", ".", "the module")
	list := flag.String("equivalent", "", "a file of mutants that change nothing, a line each: the mutant, # and the reason")
	only := flag.String("only", "", "try only mutants whose text matches this expression")
	jobs := flag.Int("jobs", 2, "how many to try at a time")
	timeout := flag.Duration("timeout", 30*time.Second, "of the tests of one package")
	flag.Parse()
	some, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	survivors, err := run(ctx, *list, &mutants.Search{
		Dir: *dir, Packages: flag.Args(), Timeout: *timeout, Jobs: *jobs, Only: some,
		Survivor: func(m mutants.Mutant) { fmt.Fprintln(os.Stderr, "survived:", m) },
	})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if survivors > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, list string, s *mutants.Search) (survivors int, err error) {
	if s.Equivalent, err = mutants.ReadEquivalent(list); err != nil {
		return 0, err
	}
	report, err := s.Run(ctx)
	if err != nil {
		return 0, err
	}
	return report.Survived(), report.Write(os.Stdout)
}
