package redis

import "testing"

// Inspect tells the token that the holder has, and not the greater one that a vote
// drew which joined when a majority had agreed.
func TestInspectTellsTheTokenOfTheMajority(t *testing.T) {
	for _, c := range []struct {
		fences []uint64
		want   uint64
	}{
		{[]uint64{7, 7, 7, 7, 7}, 7},
		{[]uint64{9, 7, 7, 7}, 7},
		{[]uint64{7, 9, 7, 8, 7}, 7},
		{[]uint64{7, 9, 8}, 9},
	} {
		if got := (&seen{fences: c.fences}).token(3); got != c.want {
			t.Errorf("of %d the token is %d; it must be %d", c.fences, got, c.want)
		}
	}
}
