package queue

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

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

// Of lines that nobody is in, the table keeps some, and the newest of them.
func TestSparesAreFew(t *testing.T) {
	var table Table
	one := Request{Limit: 1}
	names := make([]string, 3*mostSpares)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	for range 2 {
		for _, name := range names {
			table.TryEnter(Key{"lock", name}, one).Leave()
			table.check(t)
		}
		// All at once, so that none is a spare, and back in another order.
		turns := make([]*Turn, len(names))
		for i, name := range names {
			turns[i] = table.TryEnter(Key{"lock", name}, one)
		}
		for _, i := range rand.Perm(len(turns)) {
			turns[i].Leave()
			table.check(t)
		}
	}
	if table.spare.n != mostSpares || len(table.lines) != mostSpares {
		t.Errorf("%d lines, of which %d are spare; want %d", len(table.lines), table.spare.n, mostSpares)
	}
	for _, long := range []int{longestSpare, longestSpare + 1} {
		key := Key{"lock", strings.Repeat("x", long)}
		table.TryEnter(key, one).Leave()
		if kept := table.lines[key] != nil; kept != (long == longestSpare) {
			t.Errorf("a name of %d bytes is kept: %v", long, kept)
		}
	}
}

// check compares the list of spares with the table.
func (t *Table) check(tb testing.TB) {
	tb.Helper()
	n := 0
	var last *line
	for l := t.spare.oldest; l != nil; last, l = l, l.next {
		n++
		if l.prev != last || !l.spare || t.lines[l.key] != l || l.admitted() != 0 {
			tb.Fatalf("spare %d, %v, is not what it should be: %+v", n, l.key, l)
		}
	}
	if n != t.spare.n || n > mostSpares || last != t.spare.newest {
		tb.Fatalf("%d spares in the list, %d counted", n, t.spare.n)
	}
}
