package scale

import (
	"math"
	"time"
)

// waits counts durations by their size, 16 classes for each doubling: a quantile is
// at most 5 % too large.
type waits map[int]int

func (w *waits) add(d time.Duration) {
	if *w == nil {
		*w = make(waits)
	}
	(*w)[int(math.Ceil(16*math.Log2(float64(max(d, 1)))))]++
}

func (w *waits) merge(other waits) {
	if *w == nil {
		*w = make(waits)
	}
	for class, n := range other {
		(*w)[class] += n
	}
}

func (w *waits) count() int {
	total := 0
	for _, n := range *w {
		total += n
	}
	return total
}

// quantile returns a duration that the given part of all do not exceed.
func (w *waits) quantile(q float64) time.Duration {
	want := int(math.Ceil(q * float64(w.count())))
	for class := 0; class < 64*16 && want > 0; class++ {
		if want -= (*w)[class]; want <= 0 {
			return time.Duration(math.Exp2(float64(class) / 16))
		}
	}
	return 0
}
