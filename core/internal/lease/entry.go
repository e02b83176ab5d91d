package lease

import (
	"container/heap"
	"errors"
	"fmt"
	"time"
)

// errNoAnswer stands for an answer that Renew did not give.
var errNoAnswer = errors.New("the backend gave no answer")

// An Entry is one lease in the care of a [Scheduler], which guards it.
type Entry struct {
	holder   Holder
	deadline Deadline
	term     time.Duration // from which the deadline was counted
	maxHold  time.Duration
	end      Deadline  // by maxHold; the deadline never exceeds it
	final    bool      // the deadline is the end: no renewal can move it
	waits    bool      // it is due, and no batch may be sent now
	gone     bool      // the server said that the lease has ended
	due      time.Time // when to send the next attempt
	lastErr  error     // why the last one failed
	index    int       // in the heap; -1: not there
}

// prolong takes in a successful renewal that was sent at that moment. Answers
// may overtake each other: the deadline only grows.
func (e *Entry) prolong(sent Moment, term time.Duration) {
	if d := sent.After(term); d.mono.After(e.deadline.mono) {
		e.deadline, e.term = d, term
		e.due = sent.mono.Add(term / 3)
	}
	e.lastErr = nil
	e.limit()
}

// limit keeps the deadline within the longest hold.
func (e *Entry) limit() {
	if e.maxHold > 0 {
		e.deadline = e.deadline.earlier(e.end)
		e.final = !e.deadline.mono.Before(e.end.mono)
	}
}

// at returns when the scheduler must look at the entry.
func (e *Entry) at() time.Time {
	if e.final || e.waits || e.deadline.mono.Before(e.due) {
		return e.deadline.mono
	}
	return e.due
}

// cause says why the lease ended.
func (e *Entry) cause() error {
	switch {
	case e.gone:
		return e.lastErr
	case e.final:
		return fmt.Errorf("it was held for the longest time allowed, %v", e.maxHold)
	case e.lastErr != nil:
		return fmt.Errorf("the lease ran out; the last attempt to renew it failed: %w", e.lastErr)
	default:
		return errors.New("the lease ran out before it was renewed")
	}
}

// entries is a heap in order of the time at which to look at an entry.
type entries []*Entry

func (h *entries) Len() int           { return len(*h) }
func (h *entries) Less(i, j int) bool { return (*h)[i].at().Before((*h)[j].at()) }

func (h *entries) Swap(i, j int) {
	s := *h
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i, j
}

// Push implements [heap.Interface].
func (h *entries) Push(x any) {
	e := x.(*Entry)
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop implements [heap.Interface].
func (h *entries) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	e.index = -1
	return e
}

// takePassed removes and returns every entry whose deadline has passed.
func (h *entries) takePassed(now Moment) (passed []*Entry) {
	kept := (*h)[:0]
	for _, e := range *h {
		if e.deadline.Passed(now) {
			e.index = -1
			passed = append(passed, e)
			continue
		}
		e.index = len(kept)
		kept = append(kept, e)
	}
	clear((*h)[len(kept):])
	*h = kept
	heap.Init(h)
	return passed
}
