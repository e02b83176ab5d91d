package torture

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/distlock/distlock-go/core"
)

// A Report is what came of a torture.
type Report struct {
	Place              string
	Dir                string // with what the processes have seen, if anything was found
	Rounds             int
	Torment            time.Duration
	Kills, KillsInside int // of processes; that died inside a critical section
	Stops, StopsInside int // of processes, past the lease; that stood still inside
	Harms              map[harmKind]int

	lease    time.Duration // of the place
	sessions bool          // Its holds rest on sessions.

	Holds, Losses, Refused uint64
	CalmHolds              uint64 // of these, after the torment
	Woken                  uint64 // who was inside and slept for longer than the lease

	Gap     time.Duration // in which nobody got in
	Stuck   time.Duration // the same, while no server was in trouble
	Lag     time.Duration // for which the machine let the director wait, or its disk
	CalmLag time.Duration // the same, in the calm
	Awake   time.Duration // from its waking until a holder was told who had slept past its lease
	Waking  time.Duration // of this, in which the machine let its process run
	Latest  time.Duration // the same until one was told that its hold had ended
	Beyond  time.Duration // of this, more than it may take
	Timed   Timed

	Late, StaleWrites uint64 // writes by those who had lost; writes that the resource refused

	Violations      map[core.Kind]int // two inside, and both handles said that they hold
	Explained, Open int               // meetings with a hold that said it was lost; that stay open
	Regressions     uint64
	Misled          uint64 // of those woken
	Stale           uint64 // late writes that were taken although a later holder had written
	Failures        uint64
	FirstFailure    string
	Shied           uint64 // refusals after the torment
	FirstShied      string
	Leaks           uint64 // processes that had descriptors or goroutines left in the end
	FirstLeak       string
	Left            []string // on the servers, after all had gone
	Operations      int      // that were recorded
	Histories       []string // that no lock could have allowed
}

// sum adds up what the judge has found.
func (d *director) sum(r *Report) {
	r.Rounds, r.Violations = 1, map[core.Kind]int{}
	for i, a := range d.arenas {
		violations, explained, open := a.Verdict()
		r.Violations[d.Objects[i].Kind] += violations
		r.Explained += explained
		r.Open += open
		r.Holds += a.Holds.Load()
		r.Losses += a.Losses.Load()
		r.Refused += a.Refused.Load()
		r.Regressions += a.Behind.Load()
		r.Woken += a.Stops.Load()
		r.Misled += a.Misled.Load()
		r.Late += a.Written.Late.Load()
		r.Stale += a.Written.Stale.Load()
		r.StaleWrites += a.Written.Refused.Load()
		r.Latest = max(r.Latest, time.Duration(a.Latest.Load()))
		r.Beyond = max(r.Beyond, time.Duration(a.Beyond.Load()))
		r.Awake = max(r.Awake, time.Duration(a.Woken.Load()))
		r.Waking = max(r.Waking, time.Duration(a.Waking.Load()))
		if n := a.Failed.Count(); n > 0 {
			r.Failures += n
			r.FirstFailure = fmt.Sprintf("%s %s: %s", d.Objects[i].Kind, d.Objects[i].Name, a.Failed.First())
		}
		if n := a.Leaked.Count(); n > 0 {
			r.Leaks += n
			r.FirstLeak = a.Leaked.First()
		}
		if n := a.Shied.Count(); n > 0 {
			r.Shied += n
			r.FirstShied = fmt.Sprintf("%s %s: %s", d.Objects[i].Kind, d.Objects[i].Name, a.Shied.First())
		}
	}
}

// plus adds another round.
func (r Report) plus(o Report) Report {
	r.lease, r.sessions = o.lease, o.sessions
	r.Rounds += o.Rounds
	r.Torment += o.Torment
	r.Kills, r.KillsInside = r.Kills+o.Kills, r.KillsInside+o.KillsInside
	r.Stops, r.StopsInside = r.Stops+o.Stops, r.StopsInside+o.StopsInside
	r.Harms, r.Violations = total(r.Harms, o.Harms), total(r.Violations, o.Violations)
	r.Holds, r.Losses, r.Refused = r.Holds+o.Holds, r.Losses+o.Losses, r.Refused+o.Refused
	r.CalmHolds += o.CalmHolds
	r.Woken, r.Misled = r.Woken+o.Woken, r.Misled+o.Misled
	r.Gap, r.Stuck, r.Lag = max(r.Gap, o.Gap), max(r.Stuck, o.Stuck), max(r.Lag, o.Lag)
	r.CalmLag = max(r.CalmLag, o.CalmLag)
	r.Awake, r.Waking = max(r.Awake, o.Awake), max(r.Waking, o.Waking)
	r.Latest, r.Beyond = max(r.Latest, o.Latest), max(r.Beyond, o.Beyond)
	r.Timed = r.Timed.plus(o.Timed)
	r.Late, r.StaleWrites, r.Stale = r.Late+o.Late, r.StaleWrites+o.StaleWrites, r.Stale+o.Stale
	r.Explained, r.Open = r.Explained+o.Explained, r.Open+o.Open
	r.Regressions += o.Regressions
	r.Failures += o.Failures
	r.FirstFailure = cmp.Or(r.FirstFailure, o.FirstFailure)
	r.Shied += o.Shied
	r.FirstShied = cmp.Or(r.FirstShied, o.FirstShied)
	r.Leaks += o.Leaks
	r.FirstLeak = cmp.Or(r.FirstLeak, o.FirstLeak)
	r.Left = append(r.Left, o.Left...)
	r.Operations += o.Operations
	r.Histories = append(r.Histories, o.Histories...)
	return r
}

func total[K comparable](a, b map[K]int) map[K]int {
	sum := make(map[K]int)
	for _, m := range []map[K]int{a, b} {
		for k, n := range m {
			sum[k] += n
		}
	}
	return sum
}

// of counts the harms of a class, or all violations, and so on.
func of[K comparable](m map[K]int, is func(K) bool) (n int) {
	for k, v := range m {
		if is(k) {
			n += v
		}
	}
	return n
}

// overlaps counts the violations of all kinds.
func (r Report) overlaps() int { return of(r.Violations, func(core.Kind) bool { return true }) }

// harmed counts the harms of a class.
func (r Report) harmed(class string) int {
	return of(r.Harms, func(k harmKind) bool { return k.class == class })
}

// Err tells what must not be.
func (r Report) Err() error {
	var errs []error
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	expect(r.overlaps() == 0, "%d times two were inside whose handles both said that they hold: %v", r.overlaps(), r.Violations)
	expect(r.Regressions == 0, "%d tokens were not greater than all before", r.Regressions)
	expect(r.Stale == 0, "%d late writes were taken although a later holder had written", r.Stale)
	expect(r.Misled == 0, "%d of %d who slept past their lease were told that they hold", r.Misled, r.Woken)
	expect(r.Failures == 0, "%d failures that nobody can be blamed for: %s", r.Failures, r.FirstFailure)
	expect(r.Open <= r.Kills, "%d meetings stay open, and only %d were killed", r.Open, r.Kills)
	expect(r.Leaks == 0, "%d processes had something left: %s", r.Leaks, r.FirstLeak)
	expect(len(r.Left) == 0, "left behind: %s", strings.Join(r.Left, ", "))
	expect(len(r.Histories) == 0, "histories that cannot be: %s", strings.Join(r.Histories, "; "))
	return errors.Join(append(errs, r.Timed.Faults...)...)
}

func (r Report) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s: %v in %d rounds, %d holds, %d lost, %d refused by a backend in trouble, %d in the calm",
		r.Place, r.Torment, r.Rounds, r.Holds, r.Losses, r.Refused, r.CalmHolds)
	line("  processes: %d kills, %d of them inside; %d stops past the lease, %d of them inside", r.Kills, r.KillsInside, r.Stops, r.StopsInside)
	for _, class := range []string{session, server, stopped, cut, network, data, clock, disk} {
		if n := r.harmed(class); n > 0 {
			line("  %d × %s:%s", n, class, r.detail(class))
		}
	}
	line("  told: %d woken inside, %d of them misled, told within %v of waking and %v of running; of another end within %v; nobody in for %v at most, and for %v without harm; the machine up to %v late",
		r.Woken, r.Misled, micros(r.Awake), micros(r.Waking), micros(r.Latest), r.Gap.Round(time.Millisecond), r.Stuck.Round(time.Millisecond), r.Lag.Round(time.Millisecond))
	line("  times: judged in %d rounds, and in %d not, where the machine was too late; %v", r.Timed.Rounds, r.Rounds-r.Timed.Rounds, r.Timed)
	line("  resource: %d late writes, %d writes refused, %d stale ones taken; %d token regressions", r.Late, r.StaleWrites, r.Stale, r.Regressions)
	line("  found: %d overlaps, %d explained by a loss, %d open; %d failures %s; %d refusals in the calm %s", r.overlaps(), r.Explained, r.Open, r.Failures, r.FirstFailure, r.Shied, r.FirstShied)
	line("  history: %d operations checked, of %d objects it cannot be; %d things left behind, %d processes that leak %s", r.Operations, len(r.Histories), len(r.Left), r.Leaks, r.FirstLeak)
	for _, left := range r.Left {
		line("  left: %s", left)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// detail names the harms of a class.
func (r Report) detail(class string) (s string) {
	for _, k := range slices.SortedFunc(maps.Keys(r.Harms), func(a, b harmKind) int { return strings.Compare(a.name, b.name) }) {
		if k.class == class {
			s += fmt.Sprintf(" %d %s,", r.Harms[k], k.name)
		}
	}
	return strings.TrimSuffix(s, ",")
}
