package scale

import (
	"testing"
	"time"
)

func TestQuantiles(t *testing.T) {
	var a, b waits
	for i := range 1000 {
		if d := time.Duration(i+1) * time.Millisecond; i%2 == 0 {
			a.add(d)
		} else {
			b.add(d)
		}
	}
	a.merge(b)
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Second} {
		if got := a.quantile(q); got < want || got > want*105/100 {
			t.Errorf("quantile %v is %v, want %v, or up to 5 %% more", q, got, want)
		}
	}
	if a.count() != 1000 || new(waits).quantile(0.5) != 0 {
		t.Errorf("%d are counted; of none the quantile is %v", a.count(), new(waits).quantile(0.5))
	}
}
