package queue

import "testing"

// The line that an empty one leaves to the next name is that name's alone.
func TestSpareLineIsNobodyElses(t *testing.T) {
	var table Table
	one := Request{Limit: 1}
	table.TryEnter(Key{"lock", "a"}, one).Leave() // Its line is spare.
	held := map[string]*Turn{}
	for _, name := range []string{"b", "a", "c"} {
		if held[name] = table.TryEnter(Key{"lock", name}, one); held[name] == nil {
			t.Fatalf("%q, which nobody has, is refused", name)
		}
	}
	for name, turn := range held {
		if table.TryEnter(Key{"lock", name}, one) != nil {
			t.Errorf("%q is had twice", name)
		}
		turn.Leave()
	}
}
