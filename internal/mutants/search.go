package mutants

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// A Search plants every mutant of some packages and has their tests judge them.
type Search struct {
	Dir      string        // of the module
	Packages []string      // as the go command names them in Dir, such as ./driver
	Timeout  time.Duration // of the tests of one package; 0: 30 s
	Jobs     int           // how many mutants are tried at a time; 0: one

	// Equivalent has the mutants that change nothing which a test could see, by
	// their keys, and the reasons. One that the packages do not have fails the
	// search, unless its file is of another package: the source has changed.
	Equivalent map[string]string

	// Only, if not nil, leaves all mutants out whose key does not match it.
	Only *regexp.Regexp

	// Survivor, if not nil, is told of each mutant that no test has noticed as
	// soon as that is known, by one goroutine at a time.
	Survivor func(Mutant)
}

// A Tally counts what became of the mutants of a package.
type Tally struct {
	Outcomes   map[Outcome]int
	Equivalent int
}

// A Report is the result of a search, by package.
type Report map[string]*Tally

// Survived returns how many mutants no test has noticed.
func (r Report) Survived() (n int) {
	for _, t := range r {
		n += t.Outcomes[Survived]
	}
	return n
}

// Write writes the report as a table, which is the same for the same sources.
func (r Report) Write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "mutants\ta test fails\tthe tests do not end\tdo not compile\tchange nothing\tsurvive\t  package\n")
	row := func(name string, t *Tally) {
		o := t.Outcomes
		all := o[Killed] + o[Endless] + o[Stillborn] + t.Equivalent + o[Survived]
		fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%d\t%d\t  %s\n", all, o[Killed], o[Endless], o[Stillborn], t.Equivalent, o[Survived], name)
	}
	sum := &Tally{Outcomes: map[Outcome]int{}}
	for _, name := range slices.Sorted(maps.Keys(r)) {
		row(name, r[name])
		sum.Equivalent += r[name].Equivalent
		for o, n := range r[name].Outcomes {
			sum.Outcomes[o] += n
		}
	}
	row("all", sum)
	return table.Flush()
}

// Run makes the search. It returns an error, and no report, if the packages do not
// pass their tests without any mutant, before the search or after it, or if a
// mutant of Equivalent is none.
func (s *Search) Run(ctx context.Context) (Report, error) {
	all, err := s.mutants(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.baseline(ctx); err != nil {
		return nil, err
	}

	report := make(Report)
	for _, m := range all {
		report[m.Package] = &Tally{Outcomes: make(map[Outcome]int)}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	work := make(chan Mutant)
	var wg sync.WaitGroup
	for range max(s.Jobs, 1) {
		wg.Go(func() {
			for m := range work {
				outcome, err := s.try(ctx, m)
				if err != nil {
					cancel(err)
					continue
				}
				mu.Lock()
				report[m.Package].Outcomes[outcome]++
				if outcome == Survived && s.Survivor != nil {
					s.Survivor(m)
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range all {
		if s.Only != nil && !s.Only.MatchString(m.Key()) {
			continue
		}
		if s.Equivalent[m.Key()] != "" {
			mu.Lock()
			report[m.Package].Equivalent++
			mu.Unlock()
			continue
		}
		work <- m
	}
	close(work)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	// Tests that fail now and then would have killed mutants that they do not see.
	if err := s.baseline(ctx); err != nil {
		return nil, fmt.Errorf("after the search: %w", err)
	}
	return report, nil
}

// mutants returns all mutants of the packages.
func (s *Search) mutants(ctx context.Context) ([]Mutant, error) {
	out, err := s.goCommand(ctx, append([]string{"list", "-json=Dir,GoFiles"}, s.Packages...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	root, err := filepath.Abs(s.Dir)
	if err != nil {
		return nil, err
	}
	var all []Mutant
	keys, folders := make(map[string]bool), make(map[string]bool)
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p struct {
			Dir     string
			GoFiles []string
		}
		if err := decoder.Decode(&p); err != nil {
			return nil, err
		}
		inside, err := filepath.Rel(root, p.Dir)
		if err != nil {
			return nil, err
		}
		folder := filepath.Join(s.Dir, inside)
		folders[filepath.ToSlash(folder)] = true
		for _, file := range p.GoFiles {
			ms, err := Of(filepath.Join(folder, file))
			if err != nil {
				return nil, err
			}
			for _, m := range ms {
				m.Package = "./" + filepath.ToSlash(inside)
				keys[m.Key()] = true
				all = append(all, m)
			}
		}
	}
	for key := range s.Equivalent {
		file, _, _ := strings.Cut(key, ": ")
		_, err := os.Stat(file)
		if (folders[path.Dir(file)] || err != nil) && !keys[key] {
			return nil, fmt.Errorf("%q is to be equivalent, but there is no such mutant", key)
		}
	}
	return all, nil
}
