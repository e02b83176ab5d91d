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
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/distlock/distlock-go/internal/mutants"
)

func main() {
	dir := flag.String("dir", ".", "the module")
	list := flag.String("equivalent", "", "a file of mutants that change nothing, a line each: the mutant, # and the reason")
	only := flag.String("only", "", "try only mutants whose text contains this")
	jobs := flag.Int("jobs", 2, "how many to try at a time")
	timeout := flag.Duration("timeout", 30*time.Second, "of the tests of one package")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	survivors, err := run(ctx, *list, &mutants.Search{
		Dir: *dir, Packages: flag.Args(), Timeout: *timeout, Jobs: *jobs, Only: *only,
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
	if s.Equivalent, err = readList(list); err != nil {
		return 0, err
	}
	report, err := s.Run(ctx)
	if err != nil {
		return 0, err
	}
	return report.Survived(), report.Write(os.Stdout)
}

// readList reads the mutants that are equivalent to the program, with the reasons.
func readList(file string) (map[string]string, error) {
	known := make(map[string]string)
	if file == "" {
		return known, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		mutant, reason, _ := strings.Cut(line, " # ")
		mutant, reason = strings.TrimSpace(mutant), strings.TrimSpace(reason)
		if reason == "" {
			return nil, fmt.Errorf("%s: %q gives no reason", file, line)
		}
		if known[mutant] != "" {
			return nil, fmt.Errorf("%s: %q is there twice", file, mutant)
		}
		known[mutant] = reason
	}
	return known, lines.Err()
}
