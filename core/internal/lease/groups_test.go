package lease_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A server that is silent takes nothing from the others: their leases are renewed
// when they are due, and their grants are confirmed within a round trip.
func TestASilentServerHoldsNobodyElseUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rtt = 10 * time.Millisecond
		f := newFleet(t, rtt)
		f.crowd(30, "silent")
		all := f.crowd(30, "a", "b")
		for range 20 {
			time.Sleep(term / 7)
			f.crowd(1, "silent")
			g, e := f.add("a", term/5)
			all = append(all, g)
			time.Sleep(rtt)
			synctest.Wait()
			if until := f.sched.Until(e).Sub(g.start); until != trusted {
				t.Fatalf("a grant lasts for %v after a round trip, and is not confirmed", until)
			}
		}
		if late := f.stand(t, all...); late > 0 {
			t.Errorf("%d of %d leases were renewed late", late, len(all))
		}
		if f.mixed {
			t.Error("a call was for several servers")
		}
	})
}

// Whoever must share its batches with leases that have no answer, because nobody knows
// where they are kept, waits for one of those to be given up, and is then sent.
func TestNoLeaseIsLostToOthersOfItsServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, term/5)
		var all []*guest
		for range 100 {
			f.hide("silent")
			g, _ := f.hide("a")
			all = append(all, g)
			time.Sleep(term / 200)
		}
		time.Sleep(4 * term)
		if f.stand(t, all...) == 0 {
			t.Error("none had to wait: this tests nothing")
		}
		if n := f.most[nil]; n != 4 {
			t.Errorf("%d calls without an answer were under way, want 4", n)
		}
	})
}

// Over a slow network, where more is due than batches may be under way, each takes
// along all that waits.
func TestASlowNetworkLosesNothing(t *testing.T) {
	for _, rtt := range []time.Duration{term / 20, term / 10, term/4 - 1} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, rtt)
			all := f.crowd(300, nil)
			time.Sleep(4 * term)
			f.stand(t, all...)
		})
	}
}

// To each server there are never more than four calls that hang, and whatever waits
// for them ends at its deadline.
func TestCallsAreBoundedForEachServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 0)
		f.silent = func(*guest) bool { return true }
		began := time.Now()
		all := f.crowd(50, "a", "b")
		time.Sleep(2 * term)
		synctest.Wait()
		for _, server := range []any{"a", "b"} {
			if n := f.most[server]; n != 4 {
				t.Errorf("%d calls to a server hung at once, want 4", n)
			}
		}
		for _, g := range all {
			if len(g.lost) != 1 || g.after != trusted {
				t.Fatalf("a lease was lost %d times, after %v, want once, after %v", len(g.lost), g.after, trusted)
			}
		}
		if most := int(time.Since(began)/(term/4)+1) * 4 * 2; f.made() > most {
			t.Errorf("%d calls were made, want %d at most", f.made(), most)
		}
	})
}

// Grants that hang leave their places when half of their time is left, so that a
// server that answers again can confirm those that came meanwhile.
func TestGrantsThatHangLeaveTimeForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const claim = term / 5
		f := newFleet(t, 0)
		began := time.Now()
		f.silent = func(*guest) bool { return time.Since(began) < claim/4 }
		var all []*guest
		for range 20 {
			g, _ := f.add(nil, claim)
			all = append(all, g)
			time.Sleep(claim / 20)
		}
		time.Sleep(2 * term)
		f.stand(t, all...)
		if n := f.most[nil]; n != 4 {
			t.Errorf("%d calls hung at once, want 4", n)
		}
	})
}

// One that has no answer is sent again after a quarter of its time. When that succeeds
// it is not sent once more because those before have failed by then.
func TestAGrantWithoutAnAnswerIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const claim = term / 5
		f := newFleet(t, 0)
		f.silent = func(g *guest) bool { return len(g.sent) < 3 }
		g, _ := f.add(nil, claim)
		time.Sleep(claim)
		f.stand(t, g)
		if want := []time.Duration{0, claim / 4, claim / 2}; !slices.Equal(g.sent, want) {
			t.Errorf("it was sent after %v, want %v", g.sent, want)
		}
	})
}

// A grant is renewed apart from leases even if nobody knows where they are kept: its
// time would be over before a lease that has no answer is given up. Once it is
// confirmed it is a lease like others, and travels with them.
func TestGrantsTravelApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 0)
		silent, _ := f.hide("silent")
		time.Sleep(term / 3) // It is due now, and so is the grant.
		grant, e := f.add(nil, term/5)
		synctest.Wait()
		if until := f.sched.Until(e).Sub(grant.start); until != trusted {
			t.Errorf("the grant lasts for %v, and is not confirmed", until)
		}
		f.move(silent, nil)
		other, _ := f.add(nil, term)
		time.Sleep(term/3 - time.Nanosecond)
		calls := f.sent(grant) + f.sent(other)
		before := f.made()
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if g, o := f.sent(grant), f.sent(other); calls != 1 || g != 2 || o != 1 || f.made() != before+1 {
			t.Errorf("the grant was sent %d times and a lease that is due with it %d times, in %d calls", g, o, f.made()-before)
		}
		f.stand(t, silent, grant, other)
	})
}

// A grant whose term is shorter than the time in which leases are sent together is
// sent once, and then when that has passed.
func TestATinyGrantIsSentInPeace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 5*time.Millisecond)
		g, _ := f.add(nil, 40*time.Millisecond)
		time.Sleep(time.Second)
		if n := f.sent(g); n != 1 {
			t.Errorf("it was sent %d times, want once", n)
		}
		f.stand(t, g)
	})
}

// A lease that moves to another server while it waits for the batches of the first
// one is sent to the other when one of those has ended.
func TestALeaseThatMovesIsSentWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 0)
		for range 4 {
			f.add("silent", term)
			time.Sleep(term / 50)
		}
		moves, e := f.add("silent", term)
		time.Sleep(term / 3)
		if f.sent(moves) != 0 {
			t.Fatal("it was sent although four calls hang")
		}
		f.move(moves, "other")
		time.Sleep(term/4 - term/50*4)
		if n, until := f.sent(moves), time.Until(f.sched.Until(e)); n != 1 || until != trusted {
			t.Errorf("it was sent %d times and ends in %v", n, until)
		}
	})
}

// What is removed or passed on while it waits is not sent; its heir is.
func TestWhatWaitsCanBeRemovedAndInherited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 0)
		for range 4 {
			f.hide("silent")
			time.Sleep(term / 50)
		}
		removed, e := f.hide("a")
		passed, from := f.hide("a")
		time.Sleep(term/3 + time.Millisecond)
		synctest.Wait()
		heir := &guest{holder: newHolder(), fleet: f}
		f.sched.Remove(e)
		f.sched.Inherit(heir, from)
		time.Sleep(term / 4)
		if n := f.sent(removed) + f.sent(passed); n != 0 {
			t.Errorf("what had been removed was sent %d times", n)
		}
		if n := f.sent(heir); n != 1 || len(heir.lost) != 0 {
			t.Errorf("the heir was sent %d times and lost %d times", n, len(heir.lost))
		}
	})
}
