package redis

// A series is where the tokens of one hold come from, and before that those of the
// election that may win it. Their upper bits are the same, so votes can be found to
// belong together. It has one user at a time: the election, until it has won and
// gives away what it won, and then the hold, which asks for votes that it lacks.
type series struct {
	l     *RedLock
	base  uint64
	count uint64
}

const seriesBits = 12

func (l *RedLock) series() *series { return &series{l: l, base: l.seq.Add(1) << seriesBits} }

// attempt returns the next attempt at one server.
func (s *series) attempt(side *claimer) attempt {
	s.count++
	if s.count == 1<<seriesBits {
		s.base, s.count = s.l.seq.Add(1)<<seriesBits, 1
	}
	return side.attemptOf(s.base|s.count, side.p.receiver.live())
}
