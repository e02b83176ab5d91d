package redis

import (
	"testing"

	"github.com/distlock/distlock-go/core"
	"github.com/distlock/distlock-go/core/driver"
)

// A prize is a claim that is only passed on.
type prize struct{ driver.Claim }

// TestRows has three acquires stand in a row, which entered in another order than
// they came, and looks at who is passed what a winner that came at a time has won.
func TestRows(t *testing.T) {
	never := func() bool { return false }
	for _, c := range []struct {
		name   string
		in     row
		called uint64 // whose turn has come
		winner uint64
		want   uint64 // who is passed it; 0: nobody
	}{
		{"the first gets what a later one has won", row{kind: core.KindLock, mode: 'w'}, 0, 4, 1},
		{"and what one of the row has won", row{kind: core.KindRWLock, mode: 'w'}, 0, 2, 1},
		{"the first keeps what it has won", row{kind: core.KindLock, mode: 'w'}, 0, 1, 0},
		{"whoever came before all keeps it", row{kind: core.KindLock, mode: 'w'}, 0, 0, 0},
		{"readers keep it", row{kind: core.KindRWLock, mode: 'r'}, 0, 4, 0},
		{"the turn of the first of a lock makes no difference", row{kind: core.KindLock, mode: 'w'}, 1, 4, 1},
		{"nor does that of the only permit", row{kind: core.KindSemaphore, mode: 'r', limit: 1}, 1, 4, 1},
		{"one of several permits goes to one whose turn has not come", row{kind: core.KindSemaphore, mode: 'r', limit: 3}, 1, 4, 2},
		{"or stays, if that came later", row{kind: core.KindSemaphore, mode: 'r', limit: 3}, 1, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r rows
			stands := make(map[uint64]*stand)
			ended := make(map[uint64]func() bool)
			for _, came := range []uint64{2, 1, 3} {
				turn := never
				if came == c.called {
					turn = func() bool { return true }
				}
				ctx, s := r.enter(t.Context(), c.in, came, turn)
				stands[came], ended[came] = s, func() bool { return ctx.Err() != nil }
			}
			other, elsewhere := r.enter(t.Context(), row{kind: core.KindLock, name: "another", mode: 'w'}, 0, never)
			won := &prize{}
			if passed := r.pass(c.in, c.winner, won); passed != (c.want != 0) {
				t.Fatalf("pass says %v", passed)
			}
			for came, s := range stands {
				if ended[came]() != (came == c.want) {
					t.Errorf("whether the context of %d has ended is %v", came, ended[came]())
				}
				if got := r.leave(c.in, s); (got == driver.Claim(won)) != (came == c.want) {
					t.Errorf("%d was passed %v", came, got)
				}
			}
			if other.Err() != nil {
				t.Error("somebody who waits for something else was disturbed")
			}
			if r.pass(c.in, 9, won) {
				t.Error("something was passed to one who had left")
			}
			r.leave(row{kind: core.KindLock, name: "another", mode: 'w'}, elsewhere)
			if len(r.all) != 0 {
				t.Errorf("rows that are empty are kept: %v", r.all)
			}
		})
	}
}

// Who has passed on what it won goes on with tokens that are not those of that hold,
// which may be asking for votes at the same time.
func TestPassedOnWithItsTokens(t *testing.T) {
	e := &elector{l: new(RedLock), kind: core.KindLock, name: "a", sides: []*claimer{{mode: 'w'}}}
	first, second := e.election(), e.election()
	_, stand := e.l.rows.enter(t.Context(), e.row(), first.series.base, first.called)
	won := &union{e: e, series: second.series}
	came := second.series.base
	if !second.passOn(came, won) {
		t.Fatal("the first in the row was passed nothing")
	}
	if second.series == won.series || second.series.base == won.series.base {
		t.Error("the one who goes on uses the tokens of the hold")
	}
	if second.passOn(came, won) {
		t.Error("something was passed on to nobody")
	}
	if got := e.l.rows.leave(e.row(), stand); got != driver.Claim(won) {
		t.Errorf("the first has %v", got)
	}
}
