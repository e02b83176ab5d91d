package torture

import (
	"errors"
	"fmt"
	"time"
)

// promptly is how soon who has slept past its lease must be told on waking. What
// the machine takes to let it run is not counted.
const promptly = 50 * time.Millisecond

// calmly is how many must get in when all is well again. It takes a small part of
// the calm.
const calmly = 20

// A turn goes through many processes, and each may be late: so many times the lateness
// of the director, and so many times the patience of the place, are left to them. A
// wake-up that is lost, which is looked for, lasts for longer.
const (
	hops = 20
	wide = 4
)

// Timed is what was found of times. It is judged round by round, and not in those in
// which the machine was so late that a client gives up servers that are well: there,
// what is late tells of the machine. Such a round excuses no other.
type Timed struct {
	Rounds int           // that were judged
	Calms  int           // whose calm was judged: by how late the machine was in that
	Woken  uint64        // who slept past their lease, in these
	Slow   time.Duration // the most that their processes ran until one of them was told
	Late   time.Duration // the most that a process ran until it was told of another end of a hold
	Stuck  time.Duration // in which nobody got in and no server was in trouble
	Holds  uint64        // in their calms
	Faults []error
}

// time judges a round.
func (d *director) time(r *Report) {
	expect := func(ok bool, format string, args ...any) {
		if !ok {
			r.Timed.Faults = append(r.Timed.Faults, fmt.Errorf(format, args...))
		}
	}
	if d.Calm > 0 && r.CalmLag <= d.place.tardy() {
		r.Timed.Calms, r.Timed.Holds = 1, r.CalmHolds
		expect(r.Shied == 0, "%d refusals when all was well: %s", r.Shied, r.FirstShied)
		expect(r.CalmHolds >= calmly, "only %d got in when all was well", r.CalmHolds)
	}
	if r.Lag > d.place.tardy() {
		return
	}
	r.Timed.Rounds, r.Timed.Woken, r.Timed.Slow, r.Timed.Late, r.Timed.Stuck = 1, r.Woken, r.Waking, r.Latest, r.Stuck
	expect(r.Waking <= r.Lag+promptly, "one who slept past its lease was told only after its process had run for %v, on a machine at most %v late", r.Waking, r.Lag)
	expect(r.Beyond <= r.Lag+promptly, "one was told %v later than it may be that its hold had ended, on a machine at most %v late", r.Beyond, r.Lag)
	expect(r.Stuck <= hops*r.Lag+wide*d.place.patience, "nobody got in for %v, while no server was in trouble, on a machine at most %v late", r.Stuck, r.Lag)
}

func (t Timed) plus(o Timed) Timed {
	t.Rounds, t.Calms = t.Rounds+o.Rounds, t.Calms+o.Calms
	t.Woken += o.Woken
	t.Slow, t.Late, t.Stuck = max(t.Slow, o.Slow), max(t.Late, o.Late), max(t.Stuck, o.Stuck)
	t.Holds += o.Holds
	t.Faults = append(t.Faults, o.Faults...)
	return t
}

func (t Timed) String() string {
	s := fmt.Sprintf("%d woken inside, told after %v of running; of another end within %v; nobody in for %v without harm; %d in %d calms",
		t.Woken, micros(t.Slow), micros(t.Late), t.Stuck.Round(time.Millisecond), t.Holds, t.Calms)
	if err := errors.Join(t.Faults...); err != nil {
		s += "; " + err.Error()
	}
	return s
}

// micros leaves the digits that tell something.
func micros(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
