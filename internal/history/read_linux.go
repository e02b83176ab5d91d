package history

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// ErrFull means that a recorder had no room for some operations. What is missing
// may be what explains the rest, so nothing can be said about it.
var ErrFull = errors.New("history: the record is full")

// Read returns the operations that were recorded in the files, in order of their
// calls. It numbers the processes from 1, in the order of the files, and the
// seats so that those of two processes differ: process<<32 | seat. No process may
// still be writing.
//
// An operation that was under way when its process ended has the outcome
// [Unknown] and returns [Never]. A process that has not closed its record has
// crashed: for each of its seats and objects there is a [Crash], at the time that
// [MarkKilled] was told, or at the seat's last word on the object if that is later
// or there is no mark. Where holds were assured, it is the time of that.
func Read(paths ...string) ([]Op, error) {
	var all []Op
	for i, path := range paths {
		ops, err := readFile(path, uint64(i+1))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, ops...)
	}
	slices.SortStableFunc(all, func(a, b Op) int { return cmp.Compare(a.Call, b.Call) })
	return all, nil
}

func readFile(path string, process uint64) ([]Op, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := mapFile(f, unix.PROT_READ)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Munmap(r.mem) }()
	if r.page.magic == 0 {
		return nil, nil // It was killed before it could begin.
	}
	if r.page.magic != magic || r.page.capacity != uint64(len(r.slots)) {
		return nil, errors.New("history: not a record")
	}
	used := r.page.used.Load()
	if used > uint64(len(r.slots)) {
		return nil, fmt.Errorf("%w: %d operations in room for %d", ErrFull, used, len(r.slots))
	}
	var ops []Op
	for i := range r.slots[:used] {
		if op, ok := r.slots[i].op(process); ok {
			ops = append(ops, op)
		}
	}
	if r.page.closed.Load() == 0 {
		ops = append(ops, r.page.crashes(ops)...)
	}
	return ops, nil
}

// op returns what a slot tells, or false if its process ended while it wrote down
// the beginning: then the operation was not called.
func (s *slot) op(process uint64) (Op, bool) {
	op := Op{
		Object: int(s.object), Seat: process<<32 | uint64(s.seat), Action: s.action, Shared: s.shared,
		Call: s.call, Return: Never, Token: s.token,
	}
	switch s.state.Load() {
	case slotEnded:
		op.Return, op.Outcome = s.ret, s.outcome
	case slotBegun:
		if op.Action != Write {
			op.Token = 0
		}
	default:
		return op, false
	}
	return op, true
}

// crashes returns what the end of a process means for each seat and object: the
// hold was its own until it was last assured or, where none was, until the process
// was killed, and certainly when the seat last wrote about it.
func (h *header) crashes(ops []Op) []Op {
	type place struct {
		object int
		seat   uint64
	}
	assured := h.assured.Load() != 0
	last := make(map[place]int64)
	var places []place
	for _, op := range ops {
		if op.Action == Write {
			continue
		}
		p := place{op.Object, op.Seat}
		if _, seen := last[p]; !seen {
			places = append(places, p)
			last[p] = h.killed.Load()
			if assured {
				last[p] = h.sure[op.Seat&math.MaxUint32].Load()
			}
		}
		last[p] = max(last[p], op.Call)
		if op.Return != Never && !assured {
			last[p] = max(last[p], op.Return)
		}
	}
	ends := make([]Op, len(places))
	for i, p := range places {
		ends[i] = Op{Object: p.object, Seat: p.seat, Action: Crash, Call: last[p], Return: Never}
	}
	return ends
}
