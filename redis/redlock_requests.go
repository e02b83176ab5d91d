package redis

import (
	"slices"
	"sync"
)

// requests are those for the one attempt of a waiter. Each round repeats it, and a
// request that was not answered may yet be carried out, after the answer to a
// later one and after a cancellation. So nothing more can come of the attempt only
// when every one of them is over.
type requests struct {
	x *peer
	w *waiter

	mu   sync.Mutex
	open []*call
	had  bool // an answer has been that the attempt is queued or granted
	over bool
}

// settled reports whether nothing can come of a call any more.
func (c *call) settled() bool { return c.isDone() && !open(c.err) }

// sent takes in a request. One that comes when the attempt was taken back already
// is taken back by itself.
func (r *requests) sent(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		r.takeBack(c)
		return
	}
	r.open = append(slices.DeleteFunc(r.open, func(old *call) bool {
		over := old.settled()
		r.had = r.had || over && old.err == nil && old.reply().number(0) >= 0
		return over
	}), c)
}

// undo takes the attempt back, whatever came of it.
func (r *requests) undo() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	for _, c := range r.open {
		r.takeBack(c)
	}
}

// undoOthers is undo, but for what has been settled, after the attempt itself was
// released or is being taken back with the request c.
func (r *requests) undoOthers(c *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	for _, other := range r.open {
		if other != c && !other.settled() {
			r.takeBack(other)
		}
	}
}

func (r *requests) takeBack(c *call) { r.x.takeBack(r.w.c, r.w.attempt, c, r.had, nil) }
