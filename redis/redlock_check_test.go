package redis

import (
	"errors"
	"testing"
	"time"
)

// What the round trips could explain is no difference of clocks.
func TestSkew(t *testing.T) {
	const ms = time.Millisecond
	one := func(offset, round time.Duration) examination { return examination{offset: offset, round: round} }
	away := examination{offset: time.Hour, err: errors.New("away")}
	for _, test := range []struct {
		name string
		all  []examination
		want time.Duration
	}{
		{"none", nil, 0},
		{"one", []examination{one(time.Hour, ms)}, 0},
		{"explained by the network", []examination{one(0, 2*ms), one(2*ms, 2*ms)}, 0},
		{"ahead", []examination{one(0, 2*ms), one(10*ms, 4*ms)}, 7 * ms},
		{"behind", []examination{one(0, 2*ms), one(-10*ms, 2*ms), one(ms, 2*ms)}, 9 * ms},
		{"a server that did not answer", []examination{one(0, ms), away}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := skew(test.all); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
