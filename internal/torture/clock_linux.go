package torture

import (
	"math/rand/v2"
	"time"

	"github.com/distlock/distlock-go/internal/clockshift"
)

// clocks makes clocks for the servers of the place.
func (p *place) clocks(n int) ([]*clockshift.Clock, error) {
	clocks, err := clockshift.New(n)
	if err != nil {
		return nil, err
	}
	p.close = append(p.close, clocks.Close)
	return clocks.All, nil
}

// step sets a clock ahead or back by up to that much, for a while, and right again;
// noted is told just before and just after each.
func step(c *clockshift.Clock, most, while time.Duration, noted func()) error {
	by := rand.N(most)
	if rand.IntN(2) == 0 {
		by = -by
	}
	set := func(by time.Duration) {
		noted()
		c.Shift(by)
		noted()
		time.Sleep(while)
	}
	set(by)
	set(0)
	return nil
}
