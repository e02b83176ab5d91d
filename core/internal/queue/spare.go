package queue

// What is kept of lines that nobody is in: so many, of names no longer than that.
const (
	mostSpares   = 512
	longestSpare = 256
)

// The spares are empty lines that are still under their keys, so that whoever comes
// back is quick. The oldest is the first to go.
type spares struct {
	n              int
	oldest, newest *line
}

// retire keeps an empty line as a spare: all of its counts are 0, and key and shared
// are set anew on use.
func (t *Table) retire(l *line) {
	l.answer = nil
	if len(l.key.Name) > longestSpare {
		delete(t.lines, l.key)
		return
	}
	if t.spare.n == mostSpares {
		t.forget()
	}
	t.spare.add(l)
}

// forget takes the oldest spare out of the table.
func (t *Table) forget() *line {
	l := t.spare.oldest
	t.spare.remove(l)
	delete(t.lines, l.key)
	return l
}

func (s *spares) add(l *line) {
	s.n++
	l.spare, l.prev = true, s.newest
	if s.newest == nil {
		s.oldest = l
	} else {
		s.newest.next = l
	}
	s.newest = l
}

func (s *spares) remove(l *line) {
	s.n--
	if l.prev == nil {
		s.oldest = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		s.newest = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.spare, l.next, l.prev = false, nil, nil
}
