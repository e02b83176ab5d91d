package torture

import "fmt"

// Figures are how much must have happened to the processes.
type Figures struct {
	Kills    int // of processes; half of them must have died inside
	Stops    int // of processes, past the lease, where there is one
	Sessions int // of sessions, where holds rest on them
}

// Lacks names what has not happened often enough.
func (r Report) Lacks(f Figures) (lacks []string) {
	want := func(done, wanted int, what string) {
		if done < wanted {
			lacks = append(lacks, fmt.Sprintf("%d of %d %s", done, wanted, what))
		}
	}
	want(r.Kills, f.Kills, "kills")
	want(r.KillsInside, (f.Kills+1)/2, "kills inside")
	if r.lease > 0 {
		want(r.Stops, f.Stops, "stops past the lease")
	}
	if r.sessions {
		want(r.harmed(session), f.Sessions, "sessions killed")
	}
	return lacks
}

// reached reports whether there are figures to reach, and this round has reached
// what the rounds before it had not.
func (d *director) reached() bool {
	if d.Until == (Figures{}) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.before.plus(d.report).Lacks(d.Until)) == 0
}
