// Mutants plants defects into the source files of packages, one at a time, and
// reports those that no test notices, unless they are listed as equivalent.
//
//	go run ./internal/mutants/cmd/mutants -dir core -equivalent list.txt ./driver ./internal/lease
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
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
	survivors, err := run(ctx, *dir, *list, *only, *jobs, *timeout, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if survivors > 0 {
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, list, only string, jobs int, timeout time.Duration, packages []string) (int, error) {
	equivalent, err := readList(list)
	if err != nil {
		return 0, err
	}
	var all []mutants.Mutant
	for _, p := range packages {
		files, err := filepath.Glob(filepath.Join(dir, p, "*.go"))
		if err != nil {
			return 0, err
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			ms, err := mutants.Of(file)
			if err != nil {
				return 0, err
			}
			all = append(all, ms...)
		}
	}

	counts := map[mutants.Outcome]int{}
	var mu sync.Mutex
	var failed error
	work := make(chan mutants.Mutant)
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for m := range work {
				outcome, err := mutants.Try(ctx, m, dir, packages, timeout)
				mu.Lock()
				if err != nil {
					failed = err
				}
				counts[outcome]++
				if outcome == mutants.Survived {
					fmt.Printf("%s:%d: %s\n", m.File, m.Line, m)
				}
				mu.Unlock()
			}
		})
	}
	excused := 0
	for _, m := range all {
		key := filepath.ToSlash(m.File) + ": " + m.String()
		if only != "" && !strings.Contains(key, only) {
			continue
		}
		if equivalent[key] {
			excused++
			continue
		}
		work <- m
	}
	close(work)
	wg.Wait()
	fmt.Printf("%d mutants killed, %d do not compile, %d are equivalent, %d survived\n",
		counts[mutants.Killed], counts[mutants.Stillborn], excused, counts[mutants.Survived])
	return counts[mutants.Survived], failed
}

// readList reads the mutants that are equivalent to the program.
func readList(file string) (map[string]bool, error) {
	known := map[string]bool{}
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
		mutant, reason, ok := strings.Cut(line, " # ")
		if !ok || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s: %q gives no reason", file, line)
		}
		known[strings.TrimSpace(mutant)] = true
	}
	return known, lines.Err()
}
