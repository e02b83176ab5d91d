package torture

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Report is what came of a torture.
type Report struct {
	Place              string
	Kills, KillsInside int
	Stops              int
	Harms              map[string]int

	Holds, Losses, Refused uint64
	CalmHolds              uint64        // of these, after the torment
	Woken                  uint64        // who was inside and slept for longer than the lease
	Latest                 time.Duration // after which a holder was told of its loss
	Gap                    time.Duration // in which nobody got in
	StaleWrites            uint64        // that the resource refused

	Violations      int // two inside, and both handles said that they hold
	Explained, Open int // meetings with a hold that said it was lost; that stay open
	Regressions     uint64
	Misled          uint64 // of those woken
	Failures        uint64
	FirstFailure    string
	Left            []string // on the servers, after all had gone
	Operations      int      // that were recorded
	Histories       []string // that no lock could have allowed
}

// sum adds up what the judge has found.
func (d *director) sum() {
	r := &d.report
	for i, a := range d.arenas {
		violations, explained, open := a.Verdict()
		r.Violations += violations
		r.Explained += explained
		r.Open += open
		r.Holds += a.Holds.Load()
		r.Losses += a.Losses.Load()
		r.Refused += a.Refused.Load()
		r.Regressions += a.Behind.Load()
		r.Woken += a.Stops.Load()
		r.Misled += a.Misled.Load()
		r.StaleWrites += a.Written.Refused.Load()
		r.Latest = max(r.Latest, time.Duration(a.Latest.Load()))
		if n := a.Failures.Load(); n > 0 {
			r.Failures += n
			r.FirstFailure = fmt.Sprintf("%s %s: %s", d.Objects[i].Kind, d.Objects[i].Name, a.FirstFailure())
		}
	}
}

// Err tells what must not be.
func (r Report) Err() error {
	var errs []error
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	expect(r.Violations == 0, "%d times two were inside whose handles both said that they hold", r.Violations)
	expect(r.Regressions == 0, "%d tokens were not greater than all before", r.Regressions)
	expect(r.Misled == 0, "%d of %d who slept past their lease were told that they hold", r.Misled, r.Woken)
	expect(r.Failures == 0, "%d failures that nobody can be blamed for: %s", r.Failures, r.FirstFailure)
	expect(len(r.Left) == 0, "left behind: %s", strings.Join(r.Left, ", "))
	expect(len(r.Histories) == 0, "histories that cannot be: %s", strings.Join(r.Histories, "; "))
	return errors.Join(errs...)
}

func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d holds, %d lost, %d refused by a backend in trouble, %d in the calm\n", r.Place, r.Holds, r.Losses, r.Refused, r.CalmHolds)
	fmt.Fprintf(&b, "  done: %d kills (%d of a process inside), %d stops past the lease", r.Kills, r.KillsInside, r.Stops)
	for _, name := range slices.Sorted(maps.Keys(r.Harms)) {
		fmt.Fprintf(&b, ", %d %s", r.Harms[name], name)
	}
	fmt.Fprintf(&b, "\n  found: %d overlaps, %d explained by a loss, %d open; %d token regressions; %d woken inside, %d of them misled; told of a loss after %v at most; %d stale writes refused; nobody in for %v at most; %d failures %s\n  history: %d operations checked, of %d objects it cannot be",
		r.Violations, r.Explained, r.Open, r.Regressions, r.Woken, r.Misled, r.Latest.Round(time.Microsecond), r.StaleWrites, r.Gap.Round(time.Millisecond), r.Failures, r.FirstFailure, r.Operations, len(r.Histories))
	for _, left := range r.Left {
		fmt.Fprintf(&b, "\n  left: %s", left)
	}
	return b.String()
}
