package torture

import (
	"strings"
	"testing"
	"time"
)

// Whatever is judged by time fails a round on a machine that keeps up, and a round on
// one that does not says nothing: neither of itself nor of the others.
func TestTimesAreJudgedByRound(t *testing.T) {
	const lease = 400 * time.Millisecond
	d := &director{Config: Config{Calm: time.Second}, place: &place{lease: lease, patience: lease}}
	judge := func(r Report) Report {
		d.time(&r)
		return r
	}
	fine := Report{Rounds: 1, Lag: 10 * time.Millisecond, CalmHolds: 100, Waking: promptly, Stuck: wide * lease, Beyond: promptly}
	if err := judge(fine).Err(); err != nil {
		t.Fatal(err)
	}
	late := fine
	late.Lag, late.CalmLag, late.Shied, late.CalmHolds = time.Second, time.Second, 7, 0
	for name, spoil := range map[string]func(*Report){
		"refusals when all was well":   func(r *Report) { r.Shied = 1 },
		"got in when all was well":     func(r *Report) { r.CalmHolds = calmly - 1 },
		"after its process had run":    func(r *Report) { r.Waking = promptly + r.Lag + 1 },
		"than it may be that its hold": func(r *Report) { r.Beyond = promptly + r.Lag + 1 },
		"no server was in trouble":     func(r *Report) { r.Stuck = wide*lease + hops*r.Lag + 1 },
	} {
		bad := fine
		spoil(&bad)
		all := Report{}.plus(judge(late)).plus(judge(bad)).plus(judge(fine)).plus(judge(late))
		if err := all.Err(); err == nil || !strings.Contains(err.Error(), name) || len(all.Timed.Faults) != 1 {
			t.Errorf("%s: the error is %v", name, err)
		}
		if all.Rounds != 4 || all.Timed.Rounds != 2 {
			t.Errorf("%s: %d of %d rounds were judged", name, all.Timed.Rounds, all.Rounds)
		}
		bad.Lag, bad.CalmLag = time.Second, time.Second
		if err := judge(bad).Err(); err != nil {
			t.Errorf("%s, on a machine that is late: %v", name, err)
		}
	}
}

// What is lacking is named, and half of those killed must have been inside.
func TestFiguresThatAreLacking(t *testing.T) {
	want := Figures{Kills: 10, Stops: 5, Sessions: 3}
	r := Report{Kills: 10, KillsInside: 5}
	if lacks := r.Lacks(want); lacks != nil {
		t.Errorf("without leases and sessions, %q is lacking", lacks)
	}
	r.lease, r.sessions, r.KillsInside = time.Second, true, 4
	r.Stops, r.Harms = 4, map[harmKind]int{{session, "any"}: 2, {server, "killed"}: 9}
	got := strings.Join(r.Lacks(want), ", ")
	if got != "4 of 5 kills inside, 4 of 5 stops past the lease, 2 of 3 sessions killed" {
		t.Errorf("lacking: %s", got)
	}
}
