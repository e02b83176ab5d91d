package queue

// A line is the admitted entries and the queue behind them, for one key.
type line struct {
	key      Key
	shared   bool // the admitted entries are readers
	claiming int
	waiting  int
	holding  int
	answer   error  // what the server last said to one of them
	answers  uint64 // how often it said something
	head     *Turn
	tail     *Turn
	tries    int // queued entries that are a Try

	spare      bool // nobody is in it, and it is among the table's spares
	next, prev *line
}

func (l *line) admitted() int { return l.claiming + l.waiting + l.holding }

// admits reports whether an entry at the head of the queue may go ahead.
func (l *line) admits(req Request) bool {
	switch n := l.admitted(); {
	case n == 0:
		return true
	case l.shared:
		return req.Shared
	default: // A reader's limit is 1, so it stays out here.
		return n < req.Limit && l.waiting == 0
	}
}

// refuses reports whether those who hold the object, or wait for it at the
// server, are enough to turn a Try away, whatever comes of the attempts that
// are under way.
func (l *line) refuses(req Request) bool {
	return l.waiting > 0 || l.holding >= req.Limit
}

// why returns what an entry of the line waits for, as far as is known: ErrBusy for
// one who holds the object, the server's answer to the one ahead, or nil while the
// server has not answered to anybody who is ahead.
func (l *line) why() error {
	switch {
	case l.waiting > 0:
		return l.answer
	case l.holding > 0:
		return ErrBusy
	}
	return nil
}

// hear takes in an answer of the server.
func (l *line) hear(answer error) {
	l.answer = answer
	l.answers++
}

func (l *line) count(s state, by int) {
	switch s {
	case claiming:
		l.claiming += by
	case waiting:
		l.waiting += by
	case holding:
		l.holding += by
	}
}

func (l *line) push(turn *Turn) {
	turn.prev = l.tail
	if l.tail == nil {
		l.head = turn
	} else {
		l.tail.next = turn
	}
	l.tail = turn
	if turn.req.Try {
		l.tries++
	}
}

func (l *line) remove(turn *Turn) {
	if turn.prev == nil {
		l.head = turn.next
	} else {
		turn.prev.next = turn.next
	}
	if turn.next == nil {
		l.tail = turn.prev
	} else {
		turn.next.prev = turn.prev
	}
	turn.next, turn.prev = nil, nil
	if turn.req.Try {
		l.tries--
	}
}
